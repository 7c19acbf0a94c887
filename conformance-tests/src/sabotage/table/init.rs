//! Process 1 of ours that is none of ours any more, or does not do what it must.

use crate::sabotage::{How, InitLie, Sabotage};
use clawbox_containers::{
    aspects::{Ipc, Network, Seccomp},
    plan::PlanSpec,
};
use std::time::Duration;

const fn init(id: &'static str, breaks: &'static str, lie: InitLie) -> Sabotage {
    Sabotage::new(id, breaks, How::Init(lie))
}

const fn echo(id: &'static str, breaks: &'static str, weaken: fn(&mut PlanSpec)) -> Sabotage {
    init(id, breaks, InitLie::Echo(weaken))
}

pub(super) const TABLE: &[Sabotage] = &[
    echo(
        "init/echo_root",
        "the command is root, and process 1 repeats the plan",
        |p| p.user = "0:0".to_owned(),
    ),
    echo(
        "init/echo_writable_root",
        "the root is writable, and process 1 repeats the plan",
        |p| p.read_only_root = false,
    ),
    echo(
        "init/echo_unconfined",
        "there is no system call filter, and process 1 repeats the plan",
        |p| p.seccomp = Seccomp::Other("unconfined".to_owned()),
    ),
    echo(
        "init/echo_network",
        "there is a network, and process 1 repeats the plan",
        |p| p.network = Network::Other("bridge".to_owned()),
    ),
    echo(
        "init/echo_pids",
        "the limit of processes is off, and process 1 repeats the plan",
        |p| p.pids = u64::MAX,
    ),
    echo(
        "init/echo_shared_memory",
        "there is a /dev/shm, and process 1 repeats the plan",
        |p| p.ipc = Ipc::Other("private".to_owned()),
    ),
    init(
        "init/lost_fact",
        "process 1 cannot see a limit",
        InitLie::Blind("/sys/fs/cgroup/pids.max"),
    ),
    init(
        "init/late_fact",
        "process 1 tells what it sees when nobody waits any more",
        InitLie::Late(Duration::from_secs(600)),
    ),
];
