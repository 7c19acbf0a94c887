//! Which token opens what, and until when.

use crate::{
    case::table,
    check::{Checked, ensure, refused, same},
    context::Context,
    rig::{Rig, SLEEPER, request, request_within, until},
    tap::Call,
};
use clawbox_containers::engine::EngineErrorKind;
use clawbox_probe::{Command, Facts};
use clawbox_types::{ContainerIdentity, ContainerSpawnRequest, ResourceLimits};

table! { "tokens":
    opens_its_own_only = "a token opens its own container's proxy, and nothing else opens it (C07)",
    given_to_the_command = "the command has the token, the id and the socket's path in its environment",
    revoked_at_exit = "the token is dead when the command has ended (C06)",
    revoked_by_a_kill = "the token is dead after a kill (C06)",
    revoked_at_the_deadline = "the token is dead after the deadline (C06)",
    revoked_after_a_failed_spawn = "the token is dead after a spawn that failed (C06)",
    revoked_when_it_vanished = "the token is dead when somebody else removed the container (C06)",
    never_shown = "no token in the text of identities, requests, infos, reports, errors (C08)",
}

fn is_valid(rig: &Rig, identity: &ContainerIdentity) -> bool {
    let token = identity.token.reveal();
    rig.backend
        .token_store()
        .validate(&identity.id.to_string(), &token)
}

/// Runs a request with an identity whose token is seen to be valid, to its end.
async fn to_its_end(rig: &Rig, request: ContainerSpawnRequest) -> Checked {
    let identity = rig.backend.pre_generate_id()?;
    rig.spawn(request.with_identity(identity.clone())).await?;
    rig.backend.wait(&identity.id).await?;
    ensure!(!is_valid(rig, &identity), "the token outlives the command");
    same("valid tokens", rig.backend.token_store().len(), 0)
}

async fn opens_its_own_only(context: &Context) -> Checked {
    let rig = context.rig()?;
    let (one, other) = (
        rig.backend.pre_generate_id()?,
        rig.backend.pre_generate_id()?,
    );
    for identity in [&one, &other] {
        rig.spawn(request(&SLEEPER).with_identity(identity.clone()))
            .await?;
        ensure!(
            is_valid(&rig, identity),
            "a live container's token is not valid"
        );
    }
    let store = rig.backend.token_store();
    let (id, token) = (one.id.to_string(), one.token.reveal());
    let foreign = rig.backend.pre_generate_id()?;
    for (id, token) in [
        (id.as_str(), other.token.reveal()),
        (&other.id.to_string(), token.clone()),
        (&foreign.id.to_string(), token.clone()),
        (&id, token[..63].to_owned()),
        (&id, token.to_uppercase() + "0"),
        (&id, String::new()),
        ("", String::new()),
        ("", token.clone()),
    ] {
        ensure!(
            !store.validate(id, &token),
            "{:.8}… is valid for {id:?}",
            token
        );
    }
    Ok(())
}

async fn given_to_the_command(context: &Context) -> Checked {
    let rig = context.rig()?;
    let identity = rig.backend.pre_generate_id()?;
    let request = request(&Command::Facts).with_identity(identity.clone());
    let facts: Facts = rig.run_request(request).await?.report()?;
    let given = |key: &str| facts.env.get(key).cloned().unwrap_or_default();
    ensure!(
        given("CLAWBOX_PROXY_TOKEN") == identity.token.reveal(),
        "another token, or none"
    );
    same("id", given("CLAWBOX_CONTAINER_ID"), identity.id.to_string())?;
    same(
        "socket",
        given("CLAWBOX_PROXY_SOCKET"),
        "/run/clawbox/proxy.sock",
    )
}

async fn revoked_at_exit(context: &Context) -> Checked {
    to_its_end(&context.rig()?, request(&Command::Exit { code: 1 })).await
}

async fn revoked_by_a_kill(context: &Context) -> Checked {
    let rig = context.rig()?;
    let identity = rig.backend.pre_generate_id()?;
    rig.spawn(request(&SLEEPER).with_identity(identity.clone()))
        .await?;
    ensure!(
        is_valid(&rig, &identity),
        "a live container's token is not valid"
    );
    rig.backend.kill(&identity.id).await?;
    ensure!(!is_valid(&rig, &identity), "the token outlives the kill");
    same("valid tokens", rig.backend.token_store().len(), 0)
}

async fn revoked_at_the_deadline(context: &Context) -> Checked {
    let short = ResourceLimits::new(700, 64);
    to_its_end(&context.rig()?, request_within(&SLEEPER, short)).await
}

async fn revoked_after_a_failed_spawn(context: &Context) -> Checked {
    let rig = context.rig()?;
    let identity = rig.backend.pre_generate_id()?;
    let request = request(&SLEEPER).with_identity(identity.clone());
    rig.tap.fail(Call::Start, EngineErrorKind::Refused);
    refused("the spawn", rig.backend.spawn(request).await)?;
    ensure!(!is_valid(&rig, &identity), "the token outlives the spawn");
    same("valid tokens", rig.backend.token_store().len(), 0)
}

async fn revoked_when_it_vanished(context: &Context) -> Checked {
    let rig = context.rig()?;
    let identity = rig.backend.pre_generate_id()?;
    rig.spawn(request(&SLEEPER).with_identity(identity.clone()))
        .await?;
    context.engine().remove(&identity.id).await?;
    until("the token is dead", || async {
        Ok(!is_valid(&rig, &identity))
    })
    .await
}

async fn never_shown(context: &Context) -> Checked {
    let rig = context.rig()?;
    let identity = rig.backend.pre_generate_id()?;
    let request = request(&SLEEPER).with_identity(identity.clone());
    let mut texts = vec![
        ("identity", format!("{identity:?}")),
        ("request", format!("{request:?}")),
        ("request in JSON", serde_json::to_string(&request)?),
    ];
    let info = rig.spawn(request.clone()).await?;
    let error = refused("a second spawn", rig.backend.spawn(request.clone()).await)?;
    let report = rig.backend.enforcement(&identity.id)?;
    texts.extend([
        (
            "info",
            format!("{info:?} {}", serde_json::to_string(&info)?),
        ),
        ("error", format!("{error} {error:?}")),
        ("report", format!("{report:?}")),
        ("token store", format!("{:?}", rig.backend.token_store())),
        (
            "labels",
            format!("{:?}", context.at_engine(rig.owner).await?),
        ),
    ]);
    rig.backend.kill(&identity.id).await?;
    rig.backend.cleanup_stopped().await?;
    rig.tap.fail(Call::Start, EngineErrorKind::Refused);
    let error = refused("the spawn", rig.backend.spawn(request).await)?;
    texts.push(("start failure", format!("{error} {error:?}")));
    let token = identity.token.reveal();
    for (what, text) in texts {
        ensure!(!text.contains(&token), "the token is in the {what}");
    }
    Ok(())
}
