//! The table of all cases, area by area.

mod cannot;
mod cgroups;
mod compat;
mod deadline;
mod engine;
mod exec;
mod exit;
mod failure;
mod files;
mod gate;
mod hostile;
mod identity;
mod image;
mod init;
mod kill;
mod lifecycle;
mod limits;
mod network;
mod orphans;
mod output;
mod policy;
mod proxy;
mod refusal;
mod sandbox;
mod stdin;
mod streams;
mod syscalls;
mod tokens;
mod transfer;
mod workspace;

use crate::case::Case;

const AREAS: [&[Case]; 30] = [
    identity::CASES,
    lifecycle::CASES,
    exit::CASES,
    output::CASES,
    kill::CASES,
    deadline::CASES,
    tokens::CASES,
    proxy::CASES,
    network::CASES,
    policy::CASES,
    files::CASES,
    workspace::CASES,
    syscalls::CASES,
    compat::CASES,
    cgroups::CASES,
    gate::CASES,
    cannot::CASES,
    limits::CASES,
    init::CASES,
    exec::CASES,
    stdin::CASES,
    streams::CASES,
    sandbox::CASES,
    transfer::CASES,
    image::CASES,
    hostile::CASES,
    refusal::CASES,
    failure::CASES,
    engine::CASES,
    orphans::CASES,
];

/// Every case, in the order of the matrix.
pub fn cases() -> impl Iterator<Item = &'static Case> {
    AREAS.iter().copied().flatten()
}
