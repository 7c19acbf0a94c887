//! Containers that are given their commands one by one.

use crate::{
    case::table,
    check::{Checked, ensure, same},
    context::Context,
    rig::{Rig, limits, until},
};
use clawbox_containers::Sandbox;
use clawbox_probe::Command;
use clawbox_types::{
    Capabilities, ContainerSpawnRequest, ContainerStatus, ExecRequest, ResourceLimits,
};
use std::{sync::Arc, thread};

table! { "sandbox":
    #[process_one]
    stays_until_closed = "a sandbox runs no command of its own, keeps what its commands leave, and ends when it is closed",
    #[process_one]
    deadline = "its deadline ends it, and those who wait for it are told",
    #[process_one]
    dropped = "one that is dropped is killed, also where there is no runtime",
}

async fn open(rig: &Rig, limits: ResourceLimits) -> Checked<Sandbox> {
    let capabilities = Capabilities::default().with_resources(limits);
    let request = ContainerSpawnRequest::new("a conformance case", capabilities);
    Ok(Sandbox::open(Arc::clone(&rig.backend), request).await?)
}

async fn stays_until_closed(context: &Context) -> Checked {
    let rig = context.rig()?;
    let sandbox = open(&rig, limits()).await?;
    let path = "/tmp/kept".to_owned();
    let write = Command::Write { path: path.clone() }.argv();
    let written = sandbox.exec(ExecRequest::new(write)).await?.output.stdout;
    same("written", written.text().as_ref(), "{\"errno\":null}\n")?;
    let read = ExecRequest::new(Command::Read { path }.argv());
    let read = sandbox.exec_stream(read).await?.collect(1000).await?;
    let says = "{\"count\":6,\"errno\":null}\n";
    same("read", read.output.stdout.text().as_ref(), says)?;
    let id = sandbox.id().clone();
    let printed = rig.backend.collect_output(&id).await?;
    same("its own output", printed.stdout.text().as_ref(), "")?;
    sandbox.close().await?;
    let status = rig.backend.get(&id).map(|info| info.status);
    same("status", status, Some(ContainerStatus::Killed))?;
    let gone = context.engine().inspect(&id).await;
    ensure!(gone.is_err(), "the engine still has it");
    Ok(())
}

async fn deadline(context: &Context) -> Checked {
    let rig = context.rig()?;
    let sandbox = open(&rig, ResourceLimits::new(2_000, 64)).await?;
    let exit = sandbox.wait().await?;
    same("status", exit.status, ContainerStatus::TimedOut)?;
    Ok(sandbox.close().await?)
}

async fn dropped(context: &Context) -> Checked {
    let rig = context.rig()?;
    let sandbox = open(&rig, limits()).await?;
    let id = sandbox.id().clone();
    let dropping = thread::spawn(|| drop(sandbox)).join();
    ensure!(dropping.is_ok(), "dropping it panicked");
    until("it has ended", || async {
        let info = rig.backend.get(&id);
        Ok(info.is_some_and(|info| info.status == ContainerStatus::Killed))
    })
    .await
}
