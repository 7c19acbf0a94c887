//! Identities that are made before their containers.

use crate::{
    case::table,
    check::{Checked, ensure, ensure_matches, refused, same},
    context::Context,
    planted::Labels,
    rig::{SLEEPER, request},
};
use clawbox_containers::{ContainerError, engine::EnginePhase};
use clawbox_types::ContainerStatus;

table! { "identity":
    unused_leaves_nothing = "identities that are not used differ and leave nothing anywhere",
    spawn_uses_it = "a container has the id and the token of the identity that was made for it",
    taken_by_a_live_container = "an id in use is `AlreadyExists`, and its container is not touched (V16)",
    taken_at_the_engine = "an id that a foreign container has is `AlreadyExists`, and that one is not touched (V16)",
    two_spawns_at_once = "of two spawns with one identity, one wins and keeps its container (V16)",
}

async fn unused_leaves_nothing(context: &Context) -> Checked {
    let rig = context.rig()?;
    let (one, other) = (
        rig.backend.pre_generate_id()?,
        rig.backend.pre_generate_id()?,
    );
    ensure!(one.id != other.id, "two identities have the id {}", one.id);
    ensure!(one.token != other.token, "two identities have one token");
    ensure!(rig.backend.list().is_empty(), "an identity is listed");
    ensure!(
        rig.backend.get(&one.id).is_none(),
        "an identity has a state"
    );
    ensure!(
        rig.backend.token_store().is_empty(),
        "an unused token is valid"
    );
    same("calls to the engine", rig.tap.calls(), [])
}

async fn spawn_uses_it(context: &Context) -> Checked {
    let rig = context.rig()?;
    let identity = rig.backend.pre_generate_id()?;
    let info = rig
        .spawn(request(&SLEEPER).with_identity(identity.clone()))
        .await?;
    same("the container's id", &info.container_id, &identity.id)?;
    let token = identity.token.reveal();
    ensure!(
        rig.backend
            .token_store()
            .validate(&identity.id.to_string(), &token),
        "the identity's token is not valid"
    );
    let names: Vec<_> = context
        .at_engine(rig.owner)
        .await?
        .into_iter()
        .map(|c| c.name)
        .collect();
    same("names at the engine", names, [identity.id.to_string()])
}

async fn taken_by_a_live_container(context: &Context) -> Checked {
    let rig = context.rig()?;
    let identity = rig.backend.pre_generate_id()?;
    let request = request(&SLEEPER).with_identity(identity.clone());
    rig.spawn(request.clone()).await?;
    let error = refused("a second spawn", rig.backend.spawn(request).await)?;
    ensure_matches!(error, ContainerError::AlreadyExists { id } if *id == identity.id, "a second spawn");
    let info = rig.backend.get(&identity.id);
    same(
        "the first's status",
        info.map(|i| i.status),
        Some(ContainerStatus::Running),
    )?;
    let token = identity.token.reveal();
    ensure!(
        rig.backend
            .token_store()
            .validate(&identity.id.to_string(), &token),
        "the first's token was revoked"
    );
    let state = context.engine().inspect(&identity.id).await?.state;
    same("the first at the engine", state.phase, EnginePhase::Running)
}

async fn taken_at_the_engine(context: &Context) -> Checked {
    let rig = context.rig()?;
    let identity = rig.backend.pre_generate_id()?;
    context.plant(&identity.id, Labels::new()).await?;
    let request = request(&SLEEPER).with_identity(identity.clone());
    let error = refused("the spawn", rig.backend.spawn(request).await)?;
    ensure_matches!(error, ContainerError::AlreadyExists { id } if *id == identity.id, "the spawn");
    ensure!(
        rig.backend.get(&identity.id).is_none(),
        "the foreign container has a state"
    );
    let state = context.engine().inspect(&identity.id).await?.state;
    same("the foreign container", state.phase, EnginePhase::Running)
}

async fn two_spawns_at_once(context: &Context) -> Checked {
    let rig = context.rig()?;
    let identity = rig.backend.pre_generate_id()?;
    let request = request(&SLEEPER).with_identity(identity.clone());
    let (one, other) = tokio::join!(
        rig.backend.spawn(request.clone()),
        rig.backend.spawn(request)
    );
    let error = match (one, other) {
        (Ok(_), Err(error)) | (Err(error), Ok(_)) => error,
        both => {
            return refused("both spawns, or neither,", Ok::<_, ContainerError>(both)).map(drop);
        }
    };
    ensure_matches!(error, ContainerError::AlreadyExists { .. }, "the loser");
    let state = context.engine().inspect(&identity.id).await?.state;
    same(
        "the winner at the engine",
        state.phase,
        EnginePhase::Running,
    )
}
