//! What is outside, as far as a container could reach it without its proxy.

use crate::{
    case::table,
    check::{Checked, ensure, errno, same},
    context::Context,
    rig::request,
};
use clawbox_probe::{Command, Reply, Syscalls};
use std::os::{
    linux::net::SocketAddrExt,
    unix::net::{SocketAddr, UnixListener},
};

table! { "network":
    nowhere_outside = "the kernel knows no way to any address outside (N02)",
    no_abstract_socket_of_the_host = "an abstract socket of the host is not there (N08)",
    ports_of_its_own = "two containers listen at the same port, each on a loopback of its own (N14)",
}

async fn nowhere_outside(context: &Context) -> Checked {
    let Syscalls(ways) = context.rig()?.report(&Command::Reach).await?;
    same("addresses", ways.len(), 4)?;
    for (address, way) in &ways {
        // Without an address of version 6, or without version 6.
        let none = ["ENETUNREACH", "EADDRNOTAVAIL", "EAFNOSUPPORT"];
        errno(
            address,
            Some(way).filter(|way| *way != "ok").map(String::as_str),
            &none,
        )?;
    }
    Ok(())
}

async fn no_abstract_socket_of_the_host(context: &Context) -> Checked {
    let rig = context.rig()?;
    let name = format!("clawbox-conformance-{}", rig.owner);
    let listener = UnixListener::bind_addr(&SocketAddr::from_abstract_name(&name)?)?;
    let connect = Command::Connect {
        path: format!("@{name}"),
        text: String::new(),
    };
    let reply: Reply = rig.report(&connect).await?;
    listener.set_nonblocking(true)?;
    ensure!(listener.accept().is_err(), "the container has called");
    errno(&name, reply.errno.as_deref(), &["ECONNREFUSED"])
}

async fn ports_of_its_own(context: &Context) -> Checked {
    let rig = context.rig()?;
    for _ in 0..2 {
        let listen = Command::Listen { port: 8017 };
        let id = rig.spawn(request(&listen)).await?.container_id;
        rig.printed(&id, "ok\n").await?;
    }
    Ok(())
}
