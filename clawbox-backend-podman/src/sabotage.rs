//! For the suite's own tests and for nothing else: containers that no policy plans, in libpod's own words.

use crate::{
    PodmanEngine,
    encode::{self, Create, READ_ONLY},
    engine::{file_of, max_processes, path_of},
};
use clawbox_containers::{
    aspects::{Ipc, Network, Resolver, Seccomp},
    engine::{EngineError, EngineErrorKind, EngineResult, EngineWarning},
    plan::PlanSpec,
};
use futures_util::future::{BoxFuture, FutureExt};
use rustix::process::{Resource, getrlimit};
use serde_json::{Value, json};
use std::mem;

/// What libpod hides where nobody says otherwise and a policy hides too: `config.DefaultMaskedPaths` of containers/common.
const HIDDEN: [&str; 10] = [
    "/proc/acpi",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/firmware",
    "/sys/fs/selinux",
];

/// Makes such a container.
pub fn create(
    podman: &PodmanEngine,
    spec: PlanSpec,
) -> BoxFuture<'_, EngineResult<Vec<EngineWarning>>> {
    async move {
        let (mut body, profile) = weaker(spec)?;
        let Some(profile) = profile else {
            return podman.send(&body).await;
        };
        let profile = file_of(&profile)?;
        body["seccomp_profile_path"] = json!(path_of(&profile)?);
        podman.send(&body).await
    }
    .boxed()
}

/// The encoder refuses what no policy plans. It gets the nearest that it takes, and libpod's own words come into the
/// body afterwards; with it goes the filter that is to be in a file.
fn weaker(mut spec: PlanSpec) -> EngineResult<(Value, Option<String>)> {
    let network = mem::replace(&mut spec.network, Network::None);
    let ipc = mem::replace(&mut spec.ipc, Ipc::None);
    let resolver = mem::take(&mut spec.identity.resolver);
    let devices = mem::take(&mut spec.devices.devices);
    let duties = mem::take(&mut spec.lifecycle);
    let health_check = mem::take(&mut spec.command.health_check);
    let signal = mem::replace(&mut spec.command.stop_signal, "SIGTERM".to_owned());
    let unconfined = match &spec.seccomp {
        Seccomp::Other(word) => Some(word.clone()),
        Seccomp::Profile { .. } => None,
    };
    if let Some(word) = &unconfined {
        spec.seccomp = Seccomp::Profile {
            name: word.clone(),
            json: String::new(),
        };
    }
    let [no_memory_limit, no_pids_limit] = [spec.memory, spec.pids].map(|it| it == u64::MAX);
    if no_memory_limit {
        (spec.memory, spec.memory_and_swap) = (0, 0);
    }
    if no_pids_limit {
        spec.pids = 0;
    }
    // What is left out libpod adds.
    for options in spec.tmpfs.0.values_mut() {
        for (flag, opposite) in [("noexec", "exec"), ("nosuid", "suid"), ("nodev", "dev")] {
            if !options.flags.contains(flag) {
                options.flags.insert(opposite.to_owned());
            }
        }
    }
    let Create {
        spec: body,
        seccomp_profile,
    } = encode::create(&spec, max_processes(), false)?;
    let mut body = serde_json::to_value(&body).map_err(|error| {
        EngineError::new(EngineErrorKind::Unsupported, error.to_string()).with_source(error)
    })?;
    let profile = unconfined.is_none().then(|| seccomp_profile.to_owned());
    if let Some(word) = unconfined {
        body["seccomp_profile_path"] = json!(word);
    }

    let limits = &mut body["resource_limits"];
    if no_memory_limit {
        limits["memory"] = json!({});
    }
    if no_pids_limit {
        limits["pids"] = json!({"limit": 0});
    }
    if spec.cpu.quota_us == 0 {
        limits["cpu"] = json!({"shares": spec.cpu_shares});
    }

    // Left out, libpod asks for more than a root without CAP_SYS_RESOURCE may have.
    if !spec.ulimits.0.contains_key("nofile")
        && let Some(limits) = body["r_limits"].as_array_mut()
    {
        let most = getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX);
        limits.push(json!({"type": "nofile", "soft": most, "hard": most}));
    }

    let paths = &spec.kernel_paths;
    let open = READ_ONLY.iter().chain(&HIDDEN).filter(|path| {
        let path = **path;
        !paths.masked.contains(path) && !paths.read_only.contains(path)
    });
    body["unmask"] = open.copied().collect();
    if !spec.namespaces.private_uts {
        body["hostname"] = json!("");
    }
    if let Network::Other(word) = network {
        body["netns"] = json!({"nsmode": word});
    }
    if let Ipc::Other(word) = ipc {
        body["ipcns"] = json!({"nsmode": word});
    }
    if resolver != Resolver::None {
        body["use_image_resolve_conf"] = json!(false);
        body["dns_server"] = json!(["192.0.2.1"]);
    }
    body["devices"] = devices.iter().map(|path| json!({"path": path})).collect();
    if !duties.published_ports.is_empty() {
        // Without a network there are none.
        body["netns"] = json!({"nsmode": "bridge"});
        let ports = duties.published_ports.iter();
        let ports = ports.filter_map(|port| port.split_once('/'));
        body["portmappings"] = ports
            .filter_map(|(port, protocol)| {
                let port: u16 = port.parse().ok()?;
                Some(json!({"container_port": port, "host_ip": "127.0.0.1", "protocol": protocol}))
            })
            .collect();
    }
    if duties.restarts {
        body["restart_policy"] = json!("always");
    }
    body["remove"] = json!(duties.auto_remove);
    if health_check {
        body["healthconfig"] = json!({"Test": ["CMD", "/bin/true"]});
    }
    if signal == "SIGCONT" {
        body["stop_signal"] = json!(18);
    }
    Ok((body, profile))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn unweakened_it_is_the_production_body() {
        let plan = fixture::plan().spec();
        let production = encode::create(plan, max_processes(), false).unwrap();
        let (body, profile) = weaker(plan.clone()).unwrap();
        assert_eq!(profile.as_deref(), Some(production.seccomp_profile));
        assert_eq!(body, serde_json::to_value(&production.spec).unwrap());
    }

    #[test]
    fn what_production_refuses_is_sent_in_libpods_words() {
        let mut plan = fixture::plan().spec().clone();
        plan.network = Network::Other("host".to_owned());
        plan.seccomp = Seccomp::Other("unconfined".to_owned());
        plan.kernel_paths.masked.remove("/proc/kcore");
        let (body, profile) = weaker(plan).unwrap();
        assert_eq!(profile, None);
        assert_eq!(body["seccomp_profile_path"], "unconfined");
        assert_eq!(body["netns"], json!({"nsmode": "host"}));
        assert_eq!(body["unmask"], json!(["/proc/kcore"]));
    }
}
