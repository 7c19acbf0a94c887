//! The one way out.

use crate::{
    case::table,
    check::{Checked, errno, same},
    context::Context,
    proxy::Proxy,
    rig::{Rig, SLEEPER, request},
};
use clawbox_probe::{Attempt, Command, Count, Reply};
use clawbox_types::ContainerIdentity;

table! { "proxy":
    opens_with_its_token = "the container reaches its proxy, which its own token opens",
    not_with_another = "another container's token does not open it (N11)",
    directory_is_read_only = "the container can neither add to the socket's directory nor replace the socket (N10)",
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
    )
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
