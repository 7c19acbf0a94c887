//! For the suite's own tests and for nothing else: an engine whose containers are weaker than was planned, and which
//! does not tell unless it is [`honest`](WeakenedEngine::honest).

use crate::{DockerEngine, encode};
use async_trait::async_trait;
use bollard::models::{
    DeviceMapping, HealthConfig, PortBinding, RestartPolicy, RestartPolicyNameEnum,
};
use clawbox_containers::{
    ContainerEngine, ContainerPlan,
    aspects::{Ipc, Network, Resolver, Seccomp},
    engine::{
        EngineError, EngineErrorKind, EngineResult, EngineWarning, ImageFacts, Inspection,
        ListedContainer, OutputChunks, PullProgress, Removal, Signal,
    },
    facts::ObservedFacts,
    init::Carrier,
    plan::PlanSpec,
    types::{ContainerId, EngineInfo, ImageRef, PolicyItem, PullPolicy},
    verify::verify,
};
use std::{
    collections::{BTreeMap, HashMap},
    mem,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Docker, with every plan weakened in secret: inspections repeat what was asked for, and warnings are swallowed.
#[derive(Debug)]
pub struct WeakenedEngine {
    docker: DockerEngine,
    weaken: fn(&mut PlanSpec),
    tells: bool,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// By name: what was asked for.
    asked: HashMap<String, PlanSpec>,
    weakened: Vec<PolicyItem>,
    not_given: Option<String>,
}

impl WeakenedEngine {
    /// Weakens each plan in this way.
    #[must_use]
    pub fn new(docker: DockerEngine, weaken: fn(&mut PlanSpec)) -> Self {
        Self {
            docker,
            weaken,
            tells: false,
            known: Mutex::default(),
        }
    }

    /// Passes inspections and warnings on as they are.
    #[must_use]
    pub const fn honest(mut self) -> Self {
        self.tells = true;
        self
    }

    /// Why a weakened container was not made or did not start, where there was one.
    #[must_use]
    pub fn not_given(&self) -> Option<String> {
        self.known().not_given.clone()
    }

    /// The items in which the last container that was made is not as it was asked for.
    #[must_use]
    pub fn weakened(&self) -> Vec<PolicyItem> {
        self.known().weakened.clone()
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn noted<T>(&self, answer: EngineResult<T>) -> EngineResult<T> {
        if let Err(error) = &answer {
            self.known().not_given = Some(error.to_string());
        }
        answer
    }

    fn encode(&self, asked: &PlanSpec) -> EngineResult<encode::Create> {
        let mut spec = asked.clone();
        (self.weaken)(&mut spec);
        // Alone it is without a capability, and what is the kernel's is read-only. With more it could change the host.
        let root_alone = PlanSpec {
            user: spec.user.clone(),
            ..asked.clone()
        };
        let uid = spec.user.split(':').next();
        let uid = uid.and_then(|uid| uid.parse::<u32>().ok());
        if !matches!(uid, Some(1..)) && spec != root_alone {
            return Err(EngineError::new(
                EngineErrorKind::Unsupported,
                "root with anything else weakened could harm the host",
            ));
        }
        let report = verify(asked, &ObservedFacts::as_planned(&spec), &[]);
        self.known().weakened = report.not_enforced().map(|report| report.item).collect();
        weaker(spec)
    }
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

#[async_trait]
impl ContainerEngine for WeakenedEngine {
    fn endpoint(&self) -> String {
        self.docker.endpoint()
    }

    fn carrier(&self) -> Carrier {
        self.docker.carrier()
    }

    async fn probe(&self) -> EngineResult<EngineInfo> {
        self.docker.probe().await
    }

    async fn ensure_image(
        &self,
        image: &ImageRef,
        pull: PullPolicy,
        progress: &(dyn Fn(PullProgress) + Send + Sync),
    ) -> EngineResult<ImageFacts> {
        self.docker.ensure_image(image, pull, progress).await
    }

    async fn create(&self, plan: &ContainerPlan) -> EngineResult<Vec<EngineWarning>> {
        let asked = plan.spec();
        let create = self.noted(self.encode(asked))?;
        let warnings = self.noted(self.docker.send(create).await)?;
        if self.tells {
            return Ok(warnings);
        }
        let name = asked.identity.name.clone();
        self.known().asked.insert(name, asked.clone());
        Ok(Vec::new())
    }

    async fn inspect(&self, id: &ContainerId) -> EngineResult<Inspection> {
        let mut inspection = self.docker.inspect(id).await?;
        if let Some(asked) = self.known().asked.get(&id.to_string()) {
            inspection.facts = ObservedFacts::as_planned(asked);
        }
        Ok(inspection)
    }

    async fn attach(&self, id: &ContainerId) -> EngineResult<OutputChunks> {
        self.docker.attach(id).await
    }

    async fn logs(&self, id: &ContainerId) -> EngineResult<OutputChunks> {
        self.docker.logs(id).await
    }

    async fn start(&self, id: &ContainerId) -> EngineResult<()> {
        self.noted(self.docker.start(id).await)
    }

    async fn wait(&self, id: &ContainerId) -> EngineResult<i32> {
        self.docker.wait(id).await
    }

    async fn kill(&self, id: &ContainerId, signal: Signal) -> EngineResult<()> {
        self.docker.kill(id, signal).await
    }

    async fn remove(&self, id: &ContainerId) -> EngineResult<Removal> {
        self.docker.remove(id).await
    }

    async fn list(&self, labels: &BTreeMap<String, String>) -> EngineResult<Vec<ListedContainer>> {
        self.docker.list(labels).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    fn encoded(weaken: fn(&mut PlanSpec)) -> EngineResult<encode::Create> {
        let docker = DockerEngine::connect(Some("unix:///run/nobody.sock")).unwrap();
        WeakenedEngine::new(docker, weaken).encode(fixture::plan().spec())
    }

    #[test]
    fn unweakened_it_is_the_production_body() {
        let production = encode::create(fixture::plan().spec()).unwrap();
        assert_eq!(encoded(|_| {}).unwrap(), production);
    }

    #[test]
    fn what_production_refuses_is_sent_in_dockers_words() {
        let create = encoded(|plan| {
            plan.network = Network::Other("host".to_owned());
            plan.ipc = Ipc::Other("private".to_owned());
            plan.seccomp = Seccomp::Other("unconfined".to_owned());
        });
        let host = create.unwrap().body.host_config.unwrap();
        assert_eq!(host.network_mode.as_deref(), Some("host"));
        assert_eq!(host.ipc_mode.as_deref(), Some("private"));
        let options = host.security_opt.unwrap();
        assert!(options.contains(&"seccomp=unconfined".to_owned()));
    }

    #[test]
    fn root_is_made_alone_or_not_at_all() {
        assert!(encoded(|plan| plan.user = "0:0".to_owned()).is_ok());
        let weaken: [fn(&mut PlanSpec); 3] = [
            |plan| (plan.user, plan.devices.privileged) = ("0:0".to_owned(), true),
            |plan| (plan.user, plan.read_only_root) = ("root".to_owned(), false),
            |plan| {
                plan.user.clear();
                plan.kernel_paths.read_only.clear();
            },
        ];
        for weaken in weaken {
            let error = encoded(weaken).unwrap_err();
            assert_eq!(error.kind(), EngineErrorKind::Unsupported, "{error}");
        }
    }
}
