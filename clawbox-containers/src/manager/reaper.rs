//! The end of the containers whose owner is dead.

use super::Shared;
use crate::{
    counters::Count,
    engine::{ContainerEngine, Removal},
    error::{ContainerError, ContainerResult},
    labels::Ours,
    owner::{self, OwnerId},
};
use futures_util::future::join_all;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};
use tokio::{sync::watch, time::sleep};

/// How many containers are removed at once. An engine that is given thousands of removals answers nobody else.
const AT_ONCE: usize = 16;

/// For how many times as long as a create may take an engine that answers may still have one under way.
const CREATES: u32 = 2;

/// How many intervals the reaper waits at most for an engine that is down.
const MOST_INTERVALS: u32 = 8;

/// What came of one pass.
#[derive(Debug, Default)]
struct Pass {
    reaped: usize,
    /// Whose containers are still there.
    still_there: BTreeSet<OwnerId>,
    /// Why the rest was not tried: of a piece, the engine answered nothing.
    broke_off: Option<ContainerError>,
}

impl<E: ContainerEngine> Shared<E> {
    /// Removes the containers of dead owners, and those of this manager's that no task of its sees to: what a
    /// failed spawn could not take back. A newborn is known before the engine hears of it.
    pub(super) async fn reap_orphans(self: &Arc<Self>) -> ContainerResult<usize> {
        Ok(self.pass().await?.reaped)
    }

    async fn pass(self: &Arc<Self>) -> ContainerResult<Pass> {
        let pass = self.pass_once().await;
        let trouble = match &pass {
            Ok(pass) => pass.broke_off.as_ref(),
            Err(error) => Some(error),
        };
        if trouble.is_some_and(is_silence) {
            self.renew_dead();
        }
        pass
    }

    async fn pass_once(self: &Arc<Self>) -> ContainerResult<Pass> {
        self.adopt_orphans().await?;
        let mut pass = Pass::default();
        let mut claims = BTreeMap::new();
        let mut orphans = Vec::new();
        for (ours, _) in self.ours().await? {
            let orphan = if ours.owner == self.owner {
                !self.keep.is_cancelled() && !self.registry.holds(&ours.id)
            } else {
                let claim = claims.entry(ours.owner).or_insert_with_key(|owner| {
                    match self.adopts(*owner) {
                        true => None,
                        false => self.claim(*owner),
                    }
                });
                claim.is_some()
            };
            if orphan {
                orphans.push(ours);
            } else {
                pass.still_there.insert(ours.owner);
            }
        }
        for piece in orphans.chunks(AT_ONCE) {
            if pass.broke_off.is_some() {
                pass.still_there.extend(piece.iter().map(|ours| ours.owner));
            } else {
                self.remove_piece(piece, &mut pass).await;
            }
        }
        drop(claims);
        self.forget_dead(&pass.still_there);
        Ok(pass)
    }

    /// Forgets the dead owners of whom nothing is there, and of whom nothing can be coming any more: a create may have
    /// been under way when they died.
    pub(super) fn forget_dead(&self, still_there: &BTreeSet<OwnerId>) {
        let within = self.config.timeouts.change.saturating_mul(CREATES);
        for owner in self.owners() {
            if let Some(dir) = &self.config.state_dir
                && !still_there.contains(&owner)
            {
                owner::forget(dir, owner, self.config.clock.now().into(), within);
            }
        }
    }

    /// An engine that is held up may do later what it was asked before.
    fn renew_dead(&self) {
        for owner in self.owners() {
            if let Some(dir) = &self.config.state_dir {
                owner::renew_dead(dir, owner, self.config.clock.now().into());
            }
        }
    }

    fn owners(&self) -> Vec<OwnerId> {
        let dir = self.config.state_dir.as_deref();
        dir.map_or_else(Vec::new, |dir| {
            owner::owners(dir, &self.calls.engine.endpoint())
        })
    }

    /// Removes some orphans at once.
    async fn remove_piece(&self, piece: &[Ours], pass: &mut Pass) {
        let engine = &self.calls.engine;
        let removals = piece.iter().map(|ours| {
            self.calls
                .change("remove the container", engine.remove(&ours.id))
        });
        let mut unanswered = Vec::new();
        for (ours, removed) in piece.iter().zip(join_all(removals).await) {
            match removed {
                Ok(Removal::Now) => {
                    tracing::info!(container = %ours.id, owner = %ours.owner, "orphan reaped");
                    Count::Reaped.up();
                    pass.reaped += 1;
                }
                Ok(Removal::AlreadyGone) => {}
                Err(error) => {
                    tracing::warn!(container = %ours.id, %error, "orphan not reaped yet");
                    pass.still_there.insert(ours.owner);
                    if is_silence(&error) {
                        unanswered.push(error);
                    }
                }
            }
        }
        if unanswered.len() == piece.len() {
            pass.broke_off = unanswered.pop();
        }
    }

    /// Looks for orphans at once and then at every interval. An engine that stays down is asked after one interval, then
    /// two, four and eight.
    pub(super) async fn reap_until(self: Arc<Self>, mut shutdown: watch::Receiver<bool>) {
        let work = async {
            // Of an engine that is down: how many intervals it is given next.
            let mut patience = None;
            loop {
                let trouble = match self.pass().await {
                    Ok(pass) => pass.broke_off,
                    Err(error) => Some(error),
                };
                let mut intervals = 1;
                match trouble {
                    Some(error) if is_silence(&error) => {
                        if patience.is_none() {
                            tracing::warn!(%error, "the reaper waits for the engine");
                        }
                        intervals = patience.unwrap_or(1);
                        patience = Some((intervals * 2).min(MOST_INTERVALS));
                    }
                    other => {
                        if patience.take().is_some() {
                            tracing::info!("the reaper has the engine again");
                        }
                        if let Some(error) = other {
                            tracing::warn!(%error, "looking for orphans failed");
                        }
                    }
                }
                sleep(self.config.reap_interval.saturating_mul(intervals)).await;
            }
        };
        tokio::select! {
            biased;
            _ = shutdown.wait_for(|stop| *stop) => {}
            () = self.shutdown.cancelled() => {}
            () = self.registry.closed.cancelled() => {}
            () = work => {}
        }
    }
}

/// Whether the engine said nothing at all.
pub(super) fn is_silence(error: &ContainerError) -> bool {
    matches!(
        error,
        ContainerError::EngineUnavailable { .. } | ContainerError::EngineTimeout { .. }
    )
}
