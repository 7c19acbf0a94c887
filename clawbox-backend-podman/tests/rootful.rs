//! The conformance suite on root's Podman: the one that `CLAWBOX_TEST_PODMAN_ROOTFUL_HOST` names, and no other.

mod common;

use std::process::ExitCode;

fn main() -> ExitCode {
    clawbox_conformance::run("podman-rootful", || async {
        common::engine("CLAWBOX_TEST_PODMAN_ROOTFUL_HOST")
    })
}
