//! The conformance suite on the rootless Podman of `rootless.rs` with its own init as process 1: what is left where ours
//! cannot be had.

#[path = "common/rootless.rs"]
mod rootless;

use std::process::ExitCode;

fn main() -> ExitCode {
    let suite = rootless::suite()
        .engine_init("to see what is left without ours")
        .ledger(include_str!("rootless_engine_init.txt"));
    rootless::run(suite)
}
