//! The one way out.

use crate::{
    case::table,
    check::{Checked, ensure, errno, same},
    context::Context,
    proxy::Proxy,
    rig::{Rig, SLEEPER, request, request_within},
};
use clawbox_probe::{Attempt, Command, Count, Reply, Syscalls};
use clawbox_types::{ContainerIdentity, ResourceLimits};

table! { "proxy":
    opens_with_its_token = "the container reaches its proxy, which its own token opens",
    not_with_another = "another container's token does not open it (N11)",
    after_the_end = "the token opens nothing after the command's end, a kill or the deadline (N12)",
    many_connections = "one container's connections are bounded, and keep no other from its proxy (N13)",
    passed_descriptor = "a descriptor that is sent to the proxy gets nowhere (N15)",
    odd_paths = "a colon, a comma or a space in the proxy's path is only a character (V15)",
    directory_is_read_only = "the container can change nothing of the socket's directory (F08, N10)",
    others_are_absent = "another container's proxy is nowhere in the container (N09)",
    none_without_asking = "without a proxy there is no socket",
}

const SOCKET: &str = "/run/clawbox/proxy.sock";

/// What the container's proxy answers to `text`, sent from inside.
async fn asked(
    context: &Context,
    rig: &Rig,
    identity: ContainerIdentity,
    text: &str,
) -> Checked<Reply> {
    let proxy = Proxy::listen(context, rig.backend.token_store(), identity.id.clone())?;
    let connect = Command::Connect {
        path: SOCKET.to_owned(),
        text: text.to_owned(),
    };
    let request = request(&connect)
        .with_identity(identity)
        .with_proxy_socket(&proxy.socket);
    rig.run_request(request).await?.report()
}

fn answered(text: &str) -> Reply {
    Reply {
        reply: Some(text.to_owned()),
        errno: None,
    }
}

async fn opens_with_its_token(context: &Context) -> Checked {
    let rig = context.rig()?;
    let identity = rig.backend.pre_generate_id()?;
    let token = identity.token.reveal();
    let reply = asked(context, &rig, identity, &token).await?;
    same("the proxy's answer", reply, answered("granted"))
}

async fn not_with_another(context: &Context) -> Checked {
    let rig = context.rig()?;
    let (own, other) = (
        rig.backend.pre_generate_id()?,
        rig.backend.pre_generate_id()?,
    );
    rig.spawn(request(&SLEEPER).with_identity(other.clone()))
        .await?;
    let reply = asked(context, &rig, own, &other.token.reveal()).await?;
    same("the proxy's answer", reply, answered("denied"))
}

async fn directory_is_read_only(context: &Context) -> Checked {
    let rig = context.rig()?;
    let identity = rig.backend.pre_generate_id()?;
    let proxy = Proxy::listen(context, rig.backend.token_store(), identity.id)?;
    let write = Command::Write {
        path: "/run/clawbox/x".to_owned(),
    };
    let ran = rig
        .run_request(request(&write).with_proxy_socket(&proxy.socket))
        .await?;
    let attempt: Attempt = ran.report()?;
    errno(
        "a file beside the socket",
        attempt.errno.as_deref(),
        &["EROFS"],
    )?;
    let tamper = Command::Tamper {
        dir: "/run/clawbox".to_owned(),
        name: "proxy.sock".to_owned(),
    };
    let request = request(&tamper).with_proxy_socket(&proxy.socket);
    let Syscalls(changes) = rig.run_request(request).await?.report()?;
    same("changes", changes.len(), 9)?;
    for (change, outcome) in changes {
        same(&change, outcome.as_str(), "EROFS")?;
    }
    Ok(())
}

async fn after_the_end(context: &Context) -> Checked {
    let rig = context.rig()?;
    let exit = Command::Sleep {
        milliseconds: 300,
        ignore_term: false,
    };
    let deadline = ResourceLimits::new(1_000, 64);
    for (ending, request, is_killed) in [
        ("its end", request(&exit), false),
        ("a kill", request(&SLEEPER), true),
        ("the deadline", request_within(&SLEEPER, deadline), false),
    ] {
        let identity = rig.backend.pre_generate_id()?;
        let proxy = Proxy::listen(context, rig.backend.token_store(), identity.id.clone())?;
        let token = identity.token.reveal();
        let request = request
            .with_identity(identity.clone())
            .with_proxy_socket(&proxy.socket);
        rig.spawn(request).await?;
        same("before", proxy.answer_to(&token).await?.as_str(), "granted")?;
        if is_killed {
            rig.backend.kill(&identity.id).await?;
        }
        rig.backend.wait(&identity.id).await?;
        let after = proxy.answer_to(&token).await?;
        same(ending, after.as_str(), "denied")?;
    }
    Ok(())
}

async fn many_connections(context: &Context) -> Checked {
    let rig = context.rig_with(|setup| setup.security.open_files = 64)?;
    let greedy = rig.backend.pre_generate_id()?;
    let proxy = Proxy::listen(context, rig.backend.token_store(), greedy.id.clone())?;
    let hold = Command::Hold {
        path: SOCKET.to_owned(),
        max: 1000,
    };
    let request = request(&hold)
        .with_identity(greedy)
        .with_proxy_socket(&proxy.socket);
    let id = rig.spawn(request).await?.container_id;
    rig.printed(&id, "EMFILE\n").await?;
    let other = rig.backend.pre_generate_id()?;
    let token = other.token.reveal();
    let reply = asked(context, &rig, other, &token).await?;
    same("another proxy's answer", reply, answered("granted"))
}

async fn passed_descriptor(context: &Context) -> Checked {
    let rig = context.rig()?;
    let identity = rig.backend.pre_generate_id()?;
    let proxy = Proxy::listen(context, rig.backend.token_store(), identity.id.clone())?;
    let pass = Command::Pass {
        path: SOCKET.to_owned(),
        text: identity.token.reveal(),
    };
    let request = request(&pass)
        .with_identity(identity)
        .with_proxy_socket(&proxy.socket);
    let reply: Reply = rig.run_request(request).await?.report()?;
    same("the proxy's answer", reply, answered("granted"))?;
    for entry in std::fs::read_dir("/proc/self/fd")? {
        // Others come and go meanwhile.
        let target = std::fs::read_link(entry?.path()).unwrap_or_default();
        ensure!(!target.ends_with("status"), "it came to the proxy");
    }
    Ok(())
}

async fn odd_paths(context: &Context) -> Checked {
    let rig = context.rig()?;
    for name in ["a:b", "a,b=c", "a b", "\u{e9}"] {
        let identity = rig.backend.pre_generate_id()?;
        let (tokens, token) = (rig.backend.token_store(), identity.token.reveal());
        let proxy = Proxy::listen_in(context, name, tokens, identity.id.clone())?;
        let connect = Command::Connect {
            path: SOCKET.to_owned(),
            text: token,
        };
        let request = request(&connect)
            .with_identity(identity)
            .with_proxy_socket(&proxy.socket);
        let reply: Reply = rig.run_request(request).await?.report()?;
        same(name, reply, answered("granted"))?;
    }
    Ok(())
}

async fn others_are_absent(context: &Context) -> Checked {
    let rig = context.rig()?;
    let mut proxies = Vec::new();
    for _ in 0..2 {
        let identity = rig.backend.pre_generate_id()?;
        proxies.push(Proxy::listen(
            context,
            rig.backend.token_store(),
            identity.id,
        )?);
    }
    for path in [
        "/run/clawbox/../proxy.sock".to_owned(),
        proxies[1].socket.display().to_string(),
    ] {
        let connect = Command::Connect {
            path: path.clone(),
            text: String::new(),
        };
        let request = request(&connect).with_proxy_socket(&proxies[0].socket);
        let reply: Reply = rig.run_request(request).await?.report()?;
        errno(&path, reply.errno.as_deref(), &["ENOENT"])?;
    }
    Ok(())
}

async fn none_without_asking(context: &Context) -> Checked {
    let read = Command::Read {
        path: SOCKET.to_owned(),
    };
    let count: Count = context.rig()?.report(&read).await?;
    errno(SOCKET, count.errno.as_deref(), &["ENOENT"])
}
