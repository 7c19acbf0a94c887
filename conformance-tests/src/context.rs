//! What a case has at hand, and the proof after it that nothing is left.

use crate::{
    check::{Checked, chain, ensure},
    declared::Declarations,
    host::Host,
    rig::{PATIENCE, Rig, SLEEPER, Setup, request, until},
    sabotage::Sabotage,
    tap::{Call, Tap},
};
use clawbox_containers::{
    Clock, ContainerBackend, ContainerEngine, ContainerManager, ContainerResult,
    ContainerSecurityConfig, EngineTimeouts, InitProgram, ManagerConfig, OwnerId,
    engine::{EngineErrorKind, ListedContainer},
};
use clawbox_types::{ContainerId, PolicyItem, PullPolicy};
use futures_util::future::join_all;
use std::{
    collections::BTreeMap,
    fs::File,
    os::unix::fs::chown,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tempfile::TempDir;
use time::OffsetDateTime;
use tokio::time::timeout;

/// The label that says whose a container is.
const OWNER_LABEL: &str = "clawbox.owner";

/// Who containers run as where nothing else is said.
const USER: u32 = 1000;

/// One case's surroundings. Whatever it hands out, [`close`](Self::close) looks for afterwards.
pub(crate) struct Context {
    engine: Arc<dyn ContainerEngine>,
    scene: Arc<Scene>,
    sabotage: Option<&'static Sabotage>,
    /// On tokio's time, which the suite's own test pauses.
    clock: Clock,
    given: Mutex<Given>,
}

/// What all cases of a run have in common.
#[derive(Debug)]
pub(crate) struct Scene {
    /// The fixture image's name.
    pub(crate) image: String,
    pub(crate) host: Host,
    pub(crate) declared: Declarations,
    /// How long a case may take.
    pub(crate) case_limit: Duration,
}

/// What was handed out.
#[derive(Default)]
struct Given {
    rigs: Vec<Rig>,
    owners: Vec<(OwnerId, PathBuf)>,
    /// Those for whom the engine may be making a container still.
    awaiting: Vec<OwnerId>,
    planted: Vec<ContainerId>,
    dirs: Vec<TempDir>,
}

impl Context {
    pub(crate) fn new(
        engine: Arc<dyn ContainerEngine>,
        scene: Arc<Scene>,
        sabotage: Option<&'static Sabotage>,
    ) -> Self {
        Self {
            engine,
            scene,
            sabotage,
            clock: Clock::starting_at(OffsetDateTime::now_utc()),
            given: Mutex::default(),
        }
    }

    /// The engine itself, past every manager.
    pub(crate) fn engine(&self) -> &dyn ContainerEngine {
        &*self.engine
    }

    /// A backend.
    pub(crate) fn rig(&self) -> Checked<Rig> {
        self.rig_with(|_| {})
    }

    /// A backend that is set up in its own way.
    pub(crate) fn rig_with(&self, change: impl FnOnce(&mut Setup)) -> Checked<Rig> {
        let mut setup = self.setup();
        change(&mut setup);
        let places = setup.manager.max_containers;
        let (manager, tap, init) = self.build(setup)?;
        let owner = manager.owner();
        let backend: Arc<dyn ContainerBackend> = Arc::new(manager);
        let backend = match self.sabotage {
            Some(sabotage) => sabotage.backend(backend),
            None => backend,
        };
        let rig = Rig {
            owner,
            backend,
            tap,
            places,
            has_process_one: init == InitProgram::Clawbox,
        };
        self.given().rigs.push(rig.clone());
        Ok(rig)
    }

    /// A manager that the case alone holds, and so can drop.
    pub(crate) fn manager(
        &self,
        setup: Setup,
    ) -> ContainerResult<(ContainerManager<Arc<Tap>>, Arc<Tap>)> {
        let (manager, tap, _) = self.build(setup)?;
        Ok((manager, tap))
    }

    fn build(
        &self,
        mut setup: Setup,
    ) -> ContainerResult<(ContainerManager<Arc<Tap>>, Arc<Tap>, InitProgram)> {
        if let Some(sabotage) = self.sabotage {
            sabotage.set_up(&mut setup);
        }
        let tap = Arc::new(Tap::new(Arc::clone(&self.engine)));
        let dir = setup.manager.state_dir.clone();
        let init = setup.security.init;
        let manager = ContainerManager::new(Arc::clone(&tap), &setup.security, setup.manager)?;
        let lease_dir = dir.unwrap_or_else(|| self.scene.host.leases().to_owned());
        self.given().owners.push((manager.owner(), lease_dir));
        Ok((manager, tap, init))
    }

    /// How a backend is set up that asks for nothing. What the host cannot enforce may fail.
    pub(crate) fn setup(&self) -> Setup {
        let Scene {
            image,
            host,
            declared,
            case_limit: _,
        } = &*self.scene;
        let mut security = ContainerSecurityConfig::new()
            .with_allowed_images([image])
            .with_default_image(image)
            .with_pull(PullPolicy::Never);
        let may_fail = declared.iter().map(|(item, _)| item);
        security.allow_degraded.extend(may_fail);
        security.init = declared.init();
        Setup {
            security,
            manager: ManagerConfig::default()
                .with_clock(self.clock)
                .with_max_containers(12)
                .with_stop_grace(Duration::from_millis(500))
                .with_timeouts(EngineTimeouts::all(PATIENCE))
                .with_state_dir(Some(host.leases().to_owned())),
        }
    }

    /// What the clock of every manager here shows now.
    pub(crate) fn now(&self) -> OffsetDateTime {
        self.clock.now()
    }

    /// The fixture image's name.
    pub(crate) fn image(&self) -> &str {
        &self.scene.image
    }

    /// Whether it is declared that the host cannot enforce this.
    pub(crate) fn declared(&self, item: PolicyItem) -> bool {
        self.scene.declared.has(item)
    }

    /// Fails the case where an engine warns and nothing is declared of which it could.
    pub(crate) fn only_of_declared(&self, warnings: &[String]) -> Checked {
        let declared = self.scene.declared.iter().next().is_some();
        ensure!(declared || warnings.is_empty(), "warnings: {warnings:?}");
        Ok(())
    }

    /// A fresh directory of mode 0700, which goes with the case.
    pub(crate) fn dir(&self) -> Checked<PathBuf> {
        let dir = self.scene.host.dir()?;
        let path = dir.path().to_owned();
        self.given().dirs.push(dir);
        Ok(path)
    }

    /// A fresh directory to work in, which belongs to the user that containers run as where this process may give it
    /// away. It goes with the case.
    pub(crate) fn workspace(&self) -> Checked<PathBuf> {
        // Not in the managers' own directory, as the others are: there no workspace may be.
        let dir = tempfile::Builder::new()
            .prefix("clawbox-workspace-")
            .tempdir()?;
        let path = dir.path().canonicalize()?;
        if rustix::process::geteuid().is_root() {
            chown(&path, Some(USER), Some(USER))?;
        }
        self.given().dirs.push(dir);
        Ok(path)
    }

    /// What the engine has of an owner's.
    pub(crate) async fn at_engine(&self, owner: OwnerId) -> Checked<Vec<ListedContainer>> {
        let labels = BTreeMap::from([(OWNER_LABEL.to_owned(), owner.to_string())]);
        Ok(timeout(PATIENCE, self.engine.list(&labels)).await??)
    }

    /// Notes that the engine may be making a container for this owner still, who leaves his lease for it.
    pub(super) fn awaits(&self, owner: OwnerId) {
        self.given().awaiting.push(owner);
    }

    /// Remembers a container that no manager knows.
    pub(super) fn remember(&self, planted: ContainerId) {
        self.given().planted.push(planted);
    }

    /// Ends everything that was handed out and says what was left of it.
    pub(crate) async fn close(self) -> Vec<String> {
        let given = std::mem::take(&mut *self.given());
        let mut leaks = Vec::new();
        for rig in given.rigs {
            if let Err(leak) = end(&rig).await {
                leaks.push(leak);
            }
        }
        for id in given.planted {
            if let Err(error) = self.engine.remove(&id).await {
                leaks.push(format!("{id} could not be removed: {}", chain(&error)));
            }
        }
        for (owner, dir) in given.owners {
            leaks.extend(self.left_at_engine(owner).await);
            let awaiting = given.awaiting.contains(&owner);
            leaks.extend(lease_left(&dir, owner, awaiting).await);
        }
        for dir in given.dirs {
            let path = dir.path().display().to_string();
            if let Err(error) = dir.close() {
                leaks.push(format!("directory {path} could not be removed: {error}"));
            }
        }
        leaks
    }

    /// The containers of an owner's that the engine still has; they are removed past the manager.
    async fn left_at_engine(&self, owner: OwnerId) -> Vec<String> {
        let left = match self.at_engine(owner).await {
            Ok(left) => left,
            Err(stop) => return vec![format!("the engine does not tell what is left: {stop:?}")],
        };
        let mut leaks = Vec::new();
        for container in left {
            leaks.push(format!(
                "container {} is left at the engine, {}",
                container.name, container.phase
            ));
            if let Ok(id) = container.name.parse()
                && let Err(error) = self.engine.remove(&id).await
            {
                leaks.push(format!("{id} could not be removed: {}", chain(&error)));
            }
        }
        leaks
    }

    fn given(&self) -> MutexGuard<'_, Given> {
        self.given.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Kills and cleans up what a backend has, and says what was not as it must be then.
async fn end(rig: &Rig) -> Result<(), String> {
    rig.tap.clear();
    let all = rig.backend.list();
    let killed = join_all(all.iter().map(|c| rig.backend.kill(&c.container_id))).await;
    for (container, result) in all.iter().zip(killed) {
        // A failed spawn may have been taken back meanwhile.
        if let Err(error) = result
            && rig.backend.get(&container.container_id).is_some()
        {
            return Err(format!(
                "{} could not be killed: {}",
                container.container_id,
                chain(&error)
            ));
        }
    }
    let cleaned = rig.backend.cleanup_stopped().await;
    cleaned.map_err(|error| format!("cleaning up failed: {}", chain(&error)))?;
    let left = rig.backend.list();
    if !left.is_empty() {
        return Err(format!("{} containers stay in the list", left.len()));
    }
    let tokens = rig.backend.token_store().len();
    if tokens != 0 {
        return Err(format!("{tokens} tokens are still valid"));
    }
    places_free(rig).await
}

/// As many spawns as there are places come as far as the engine's door, where they are turned away.
async fn places_free(rig: &Rig) -> Result<(), String> {
    let places = u32::try_from(rig.places).unwrap_or(u32::MAX);
    let gate = rig.tap.hold(Call::EnsureImage);
    let spawns = join_all((0..places).map(|_| rig.backend.spawn(request(&SLEEPER))));
    let all_at_the_door = async {
        let arrived = gate.reached(places).await;
        rig.tap
            .fail(Call::EnsureImage, EngineErrorKind::Unavailable);
        rig.tap.release();
        arrived
    };
    let lost = async {
        let (spawned, arrived) = tokio::join!(spawns, all_at_the_door);
        if arrived.is_ok() {
            return None;
        }
        let error = spawned.into_iter().find_map(Result::err)?;
        Some(format!(
            "not all {places} places are free: {}",
            chain(&error)
        ))
    };
    let lost = lost.await;
    rig.tap.clear();
    lost.map_or(Ok(()), Err)
}

/// Removes the lease of a manager that has gone and has left it on purpose; one that it holds stays.
fn give_up(dir: &Path, owner: OwnerId) {
    let lease = dir.join(format!("{owner}.lease"));
    if File::open(&lease).is_ok_and(|file| file.try_lock_shared().is_ok()) {
        drop(std::fs::remove_file(lease));
    }
}

/// Says so where a manager's lease outlives it.
async fn lease_left(dir: &Path, owner: OwnerId, awaiting: bool) -> Option<String> {
    let gone = until("its lease is gone", || async {
        if awaiting {
            give_up(dir, owner);
        }
        let owner = owner.to_string();
        let mut entries = match std::fs::read_dir(dir) {
            Ok(entries) => entries,
            Err(_) => return Ok(true),
        };
        let found = entries.any(|entry| {
            entry.is_ok_and(|entry| entry.file_name().to_string_lossy().contains(&owner))
        });
        Ok(!found)
    });
    match gone.await {
        Ok(()) => None,
        Err(_) => Some(format!("the lease of owner {owner} outlives its manager")),
    }
}
