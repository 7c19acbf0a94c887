//! Gate 2 on a real engine whose inspections lie: each container is weaker than was planned, gate 1 is told that it is
//! not, and the kernel's word alone must end it before its command runs.

use super::policy;
use crate::{
    sabotage::{Create, WeakenedEngine, sabotages},
    suite::FIXTURE_IMAGE,
};
use clawbox_containers::{
    CONTAINER_SOCKET, ContainerBackend, ContainerEngine, ContainerError, ContainerManager,
    ManagerConfig, aspects::Init, endpoint::EndpointError, plan::PlanSpec,
};
use clawbox_types::{
    Capabilities, ContainerSpawnRequest, ItemReport, PolicyItem, ResourceLimits, Verdict,
};
use futures_util::{StreamExt, stream};
use libtest_mimic::Failed;
use std::{
    collections::{BTreeMap, BTreeSet},
    error::Error,
    fs,
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tempfile::TempDir;
use tokio::{net::UnixListener, runtime::Runtime, task::JoinHandle, time::timeout};

/// How many containers are spawned at once: most of the time is the engine's.
const JOBS: usize = 4;
const PATIENCE: Duration = Duration::from_secs(60);

/// What the suite need not weaken, as its cases ask only whether the command is process 1.
const MORE: [(&str, Weaken); 1] = [("gate2/engines_init", |plan| plan.init = Init::Engine)];

type Weaken = fn(&mut PlanSpec);
type Wrong<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// An engine to hold gate 2 to.
#[derive(Debug)]
pub struct Gate2<E> {
    /// Connects to it.
    pub connect: fn(&str) -> Result<E, EndpointError>,
    /// Makes a container of what no policy plans.
    pub create: Create<E>,
    /// The weakenings that end in another way: lines of `id: end: why`. The list may only shrink.
    pub otherwise: &'static str,
}

impl<E: ContainerEngine> Gate2<E> {
    /// Weakens a container in every way that the suite knows.
    ///
    /// # Errors
    ///
    /// [`Failed`] with a line for each that does not end as it is to.
    pub fn hold(&self, endpoint: &str) -> Result<(), Failed> {
        let runtime = Runtime::new()?;
        let mut wrong = Vec::new();
        let control = runtime.block_on(self.spawn(endpoint, true, |_| {}));
        let control = control.map_err(|error| error.to_string())?;
        // Where this is not seen, that a command did not run says nothing.
        if let Some(error) = control.error {
            wrong.push(format!("without a weakening: {error}"));
        } else if !control.ran {
            wrong.push("without a weakening the command did not run".to_owned());
        }

        let mut listed = BTreeMap::new();
        let lines = self.otherwise.lines().map(str::trim);
        for line in lines.filter(|line| !line.is_empty() && !line.starts_with('#')) {
            match line.split(": ").collect::<Vec<_>>().as_slice() {
                [id, end, why] if listed.insert(*id, (*end, *why)).is_none() => {}
                _ => wrong.push(format!(
                    "{line}: is listed twice, or without end and reason"
                )),
            }
        }
        let weakenings = sabotages().filter_map(|it| Some((it.id(), it.weakening()?)));
        let spawns = stream::iter(weakenings.chain(MORE))
            .map(|(id, weaken)| async move {
                // That one acts where nothing else is bound.
                let proxy = id != "policy/proxy_for_all";
                (id, self.spawn(endpoint, proxy, weaken).await)
            })
            .buffered(JOBS);
        let tried: Vec<_> = runtime.block_on(spawns.collect());
        let mut seen = BTreeSet::new();
        for (id, spawned) in tried {
            let (end, why) = listed.remove(id).unwrap_or(("told", ""));
            let spawned = match spawned {
                Ok(spawned) => spawned,
                Err(error) => {
                    wrong.push(format!("{id}: {error}"));
                    continue;
                }
            };
            spawned.tell(id, why);
            seen.extend(spawned.told().map(|told| told.item));
            let ended = spawned.end();
            if ended != end {
                let how = spawned.outcome();
                wrong.push(format!(
                    "{id}: it should end as {end:?}, not as {ended:?}: {how}"
                ));
            } else if spawned.left > 0 {
                wrong.push(format!("{id}: {} containers are left", spawned.left));
            }
        }
        let seen: Vec<&str> = seen.into_iter().map(PolicyItem::name).collect();
        println!("{} items seen: {}", seen.len(), seen.join(", "));
        let stale = listed.keys();
        wrong.extend(stale.map(|id| format!("{id} is listed, and there is no such weakening")));
        match wrong.as_slice() {
            [] => Ok(()),
            wrong => Err(wrong.join("\n").into()),
        }
    }

    /// Spawns a command that knocks at its proxy, and waits for its end.
    async fn spawn(&self, endpoint: &str, proxy: bool, weaken: Weaken) -> Wrong<Spawned> {
        let dir = TempDir::new()?;
        let knocks = Knocks::listen(&dir)?;
        let engine = WeakenedEngine::new((self.connect)(endpoint)?, self.create, weaken);
        let engine = Arc::new(engine);
        let mut security = policy()
            .with_allowed_images([FIXTURE_IMAGE])
            .with_default_image(FIXTURE_IMAGE);
        // So that every weakening has something to weaken.
        "2001:2002".clone_into(&mut security.user);
        security.tmpfs.push("/scratch:size=1m".to_owned());
        let state = dir.path().join("state");
        let config = ManagerConfig::default().with_state_dir(Some(state));
        let manager = ContainerManager::new(Arc::clone(&engine), &security, config)?;

        let limits = ResourceLimits::new(20_000, 64).with_cpu_shares(512);
        let mut request =
            ContainerSpawnRequest::new("gate 2", Capabilities::default().with_resources(limits))
                .with_command(["/bin/probe", "connect", CONTAINER_SOCKET, "ran"]);
        if proxy {
            request = request.with_proxy_socket(&knocks.socket);
        }
        let spawned = timeout(PATIENCE, manager.spawn(request)).await?;
        let error = match spawned {
            Ok(info) => {
                timeout(PATIENCE, manager.wait(&info.container_id)).await??;
                manager.kill(&info.container_id).await?;
                manager.cleanup_stopped().await?;
                None
            }
            Err(error) => Some(error),
        };
        let owner = BTreeMap::from([("clawbox.owner".to_owned(), manager.owner().to_string())]);
        Ok(Spawned {
            weakened: engine.weakened(),
            error,
            ran: knocks.heard.load(Ordering::Relaxed),
            left: engine.list(&owner).await?.len(),
        })
    }
}

/// What came of a spawn.
struct Spawned {
    /// In what its container was to be weaker.
    weakened: Vec<PolicyItem>,
    error: Option<ContainerError>,
    /// Its command said so itself.
    ran: bool,
    /// What the engine holds of it afterwards.
    left: usize,
}

impl Spawned {
    /// What gate 2 has against it.
    fn told(&self) -> impl Iterator<Item = &ItemReport> {
        let items = match &self.error {
            Some(ContainerError::PolicyNotEnforced { items, .. }) => items.as_slice(),
            _ => &[],
        };
        items
            .iter()
            .filter(|told| told.verdict == Verdict::NotEnforced && told.kernel.is_some())
    }

    /// How it ended: `told` where the kernel's word names everything that was weakened.
    fn end(&self) -> String {
        let told: BTreeSet<PolicyItem> = self.told().map(|told| told.item).collect();
        match &self.error {
            Some(_) if self.ran => "failed after the command ran".to_owned(),
            None if self.weakened.is_empty() => "nothing to weaken".to_owned(),
            None => "let through".to_owned(),
            Some(ContainerError::PolicyNotEnforced { .. })
                if self.weakened.iter().all(|item| told.contains(item)) =>
            {
                "told".to_owned()
            }
            Some(ContainerError::PolicyNotEnforced { .. }) => {
                let told: Vec<&str> = told.into_iter().map(PolicyItem::name).collect();
                format!("told of {}", told.join(", "))
            }
            Some(ContainerError::StartFailed { .. }) => "not started".to_owned(),
            Some(_) => "not made".to_owned(),
        }
    }

    fn outcome(&self) -> String {
        let mut words = match &self.error {
            Some(error) => error.to_string(),
            None => "the command ran".to_owned(),
        };
        let mut cause = self.error.as_ref().and_then(Error::source);
        while let Some(error) = cause {
            words = format!("{words}: {error}");
            cause = error.source();
        }
        words
    }

    /// A line for each item that is weaker: the item, the weakening, and what the kernel gave.
    fn tell(&self, id: &str, why: &str) {
        let unseen = |item: &PolicyItem| !self.told().any(|told| told.item == *item);
        for told in self.told() {
            let given = told.kernel.as_deref().unwrap_or_default();
            println!("{:18} {id:30} {given:.150}", told.item.name());
        }
        for item in self.weakened.iter().filter(|item| unseen(item)) {
            println!("{:18} {id:30} {}: {why}", item.name(), self.end());
        }
        if self.weakened.is_empty() {
            println!("{:18} {id:30} {}: {why}", "-", self.end());
        }
    }
}

/// A proxy's socket, at which the command shows that it runs.
struct Knocks {
    socket: PathBuf,
    heard: Arc<AtomicBool>,
    server: JoinHandle<()>,
}

impl Knocks {
    fn listen(dir: &TempDir) -> Wrong<Self> {
        // Others may have theirs beside it.
        let dir = dir.path().join("proxies/one");
        fs::create_dir_all(&dir)?;
        fs::set_permissions(&dir, fs::Permissions::from_mode(0o711))?;
        let socket = dir.join("proxy.sock");
        let listener = UnixListener::bind(&socket)?;
        fs::set_permissions(&socket, fs::Permissions::from_mode(0o666))?;
        let heard = Arc::new(AtomicBool::default());
        let told = Arc::clone(&heard);
        let server = tokio::spawn(async move {
            // It is closed at once, so that nobody waits for an answer.
            while listener.accept().await.is_ok() {
                told.store(true, Ordering::Relaxed);
            }
        });
        Ok(Self {
            socket,
            heard,
            server,
        })
    }
}

impl Drop for Knocks {
    fn drop(&mut self) {
        self.server.abort();
    }
}
