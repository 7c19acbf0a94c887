//! For the suite's own tests and for nothing else: containers that no policy plans, in Docker's own words.

use crate::{DockerEngine, encode};
use bollard::models::{
    DeviceMapping, HealthConfig, PortBinding, RestartPolicy, RestartPolicyNameEnum,
};
use clawbox_containers::{
    aspects::{Ipc, Network, Resolver, Seccomp},
    engine::{EngineResult, EngineWarning},
    plan::PlanSpec,
};
use futures_util::future::{BoxFuture, FutureExt};
use std::mem;

/// Makes such a container.
pub fn create(
    docker: &DockerEngine,
    spec: PlanSpec,
) -> BoxFuture<'_, EngineResult<Vec<EngineWarning>>> {
    async move { docker.send(weaker(spec)?).await }.boxed()
}

/// The encoder refuses what no policy plans. It gets the nearest that it takes, and Docker's own words come into the
/// body afterwards.
fn weaker(mut spec: PlanSpec) -> EngineResult<encode::Create> {
    let network = mem::replace(&mut spec.network, Network::None);
    let ipc = mem::replace(&mut spec.ipc, Ipc::None);
    let resolver = mem::take(&mut spec.identity.resolver);
    let devices = mem::take(&mut spec.devices.devices);
    let duties = mem::take(&mut spec.lifecycle);
    let health_check = mem::take(&mut spec.command.health_check);
    if let Seccomp::Other(word) = spec.seccomp {
        spec.seccomp = Seccomp::Profile {
            name: word.clone(),
            json: word,
        };
    }
    // No limit at all is 0 to Docker.
    if spec.memory == u64::MAX {
        (spec.memory, spec.memory_and_swap) = (0, 0);
    }
    if spec.pids == u64::MAX {
        spec.pids = 0;
    }
    for limit in spec.ulimits.0.values_mut() {
        limit.soft = limit.soft.min(i64::MAX as u64);
        limit.hard = limit.hard.min(i64::MAX as u64);
    }
    // What is left out Docker adds.
    for options in spec.tmpfs.0.values_mut() {
        for (flag, opposite) in [("noexec", "exec"), ("nosuid", "suid"), ("nodev", "dev")] {
            if !options.flags.contains(flag) {
                options.flags.insert(opposite.to_owned());
            }
        }
    }
    let own_name = spec.namespaces.private_uts;
    let mut create = encode::create(&spec)?;
    if !own_name {
        create.body.hostname = None;
    }
    if health_check {
        create.body.healthcheck = Some(HealthConfig {
            test: Some(vec!["CMD".to_owned(), "/bin/true".to_owned()]),
            ..HealthConfig::default()
        });
    }
    if let Some(host) = &mut create.body.host_config {
        host.devices = Some(devices.into_iter().map(device).collect());
        host.port_bindings = Some(duties.published_ports.into_iter().map(port).collect());
        host.auto_remove = Some(duties.auto_remove);
        if duties.restarts {
            host.restart_policy = Some(RestartPolicy {
                name: Some(RestartPolicyNameEnum::ALWAYS),
                maximum_retry_count: None,
            });
        }
        if let Network::Other(word) = network {
            host.network_mode = Some(word);
        }
        if let Ipc::Other(word) = ipc {
            host.ipc_mode = Some(word);
        }
        // The host's.
        if resolver != Resolver::None {
            (host.dns, host.dns_search, host.dns_options) = (None, None, None);
        }
    }
    Ok(create)
}

/// The host's device, at the same path.
fn device(path: String) -> DeviceMapping {
    DeviceMapping {
        path_on_host: Some(path.clone()),
        path_in_container: Some(path),
        cgroup_permissions: Some("rwm".to_owned()),
    }
}

/// A port, such as `80/tcp`, at one of the host's that is free.
fn port(port: String) -> (String, Option<Vec<PortBinding>>) {
    let anywhere = PortBinding {
        host_ip: Some("127.0.0.1".to_owned()),
        host_port: None,
    };
    (port, Some(vec![anywhere]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn unweakened_it_is_the_production_body() {
        let plan = fixture::plan();
        let production = encode::create(plan.spec()).unwrap();
        assert_eq!(weaker(plan.spec().clone()).unwrap(), production);
    }

    #[test]
    fn what_production_refuses_is_sent_in_dockers_words() {
        let mut plan = fixture::plan().spec().clone();
        plan.network = Network::Other("host".to_owned());
        plan.ipc = Ipc::Other("private".to_owned());
        plan.seccomp = Seccomp::Other("unconfined".to_owned());
        let host = weaker(plan).unwrap().body.host_config.unwrap();
        assert_eq!(host.network_mode.as_deref(), Some("host"));
        assert_eq!(host.ipc_mode.as_deref(), Some("private"));
        let options = host.security_opt.unwrap();
        assert!(options.contains(&"seccomp=unconfined".to_owned()));
    }
}
