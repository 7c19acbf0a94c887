//! The whole suite on an engine that none of the workspace's crates knows.

mod engine;

fn main() -> std::process::ExitCode {
    clawbox_conformance::run("stranger", engine::Remote::connect)
}
