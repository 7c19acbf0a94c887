//! The program that runs inside clawbox's test containers; the library says what it answers.

use std::process::ExitCode;

#[cfg(target_os = "linux")]
mod linux;

#[cfg(target_os = "linux")]
fn main() -> ExitCode {
    linux::main()
}

#[cfg(not(target_os = "linux"))]
fn main() -> ExitCode {
    eprintln!("probe: runs on Linux only");
    ExitCode::FAILURE
}
