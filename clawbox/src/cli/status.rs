//! Exit statuses.

use clawbox::containers::{engine::EngineError, init::CONTAINER_INIT};
use clawbox::{ContainerError, ContainerStatus, ExitReport};

/// What was asked for was done.
pub(crate) const OK: u8 = 0;
/// What was asked for did not succeed.
pub(crate) const FAILED: u8 = 1;
/// The deadline ended the command.
pub(crate) const DEADLINE: u8 = 124;
/// clawbox refused, or failed itself.
pub(crate) const REFUSED: u8 = 125;
/// The command is there and cannot be executed.
pub(crate) const NOT_EXECUTABLE: u8 = 126;
/// The command is not there.
pub(crate) const NOT_FOUND: u8 = 127;
/// Nobody reads our output any more: as a program that died of `SIGPIPE`.
pub(crate) const NOBODY_READS: u8 = 128 + 13;

/// The status of a run whose container ended.
pub(crate) fn of_exit(exit: &ExitReport) -> u8 {
    if exit.status == ContainerStatus::TimedOut {
        return DEADLINE;
    }
    match exit.exit_code {
        // An engine tells 128 + n for signal n, so every code is a byte.
        Some(code) => u8::try_from(code).unwrap_or(u8::MAX),
        None => REFUSED,
    }
}

/// The status of a run whose command never ran.
pub(crate) fn of_failure(error: &ContainerError) -> u8 {
    match error {
        ContainerError::StartFailed {
            exit_code: Some(code),
            ..
        } => u8::try_from(*code).unwrap_or(REFUSED),
        ContainerError::StartFailed { source, .. } => of_start(source),
        _ => REFUSED,
    }
}

/// What a shell would give. Engines tell why a start failed in words only, those of the program that they
/// hand the command to (runc, crun, the mock); what is not about executing the command is not its fault.
fn of_start(error: &EngineError) -> u8 {
    let words = error.to_string().to_ascii_lowercase();
    let has = |any: &[&str]| any.iter().any(|part| words.contains(part));
    if !has(&["exec", "stat /", "no such program"]) || has(&["chdir", "mount", CONTAINER_INIT]) {
        REFUSED
    } else if has(&["permission denied", "format error", "is a directory"]) {
        NOT_EXECUTABLE
    } else if has(&["not found", "no such"]) {
        NOT_FOUND
    } else {
        REFUSED
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clawbox::containers::engine::EngineErrorKind;

    #[test]
    fn a_failed_start_is_judged_by_the_runtimes_words() {
        for (words, status) in [
            (
                r#"OCI runtime create failed: container_linux.go:380: starting container process caused: exec: "nosuch": executable file not found in $PATH: unknown"#,
                NOT_FOUND,
            ),
            (
                r#"runc create failed: unable to start container process: exec: "/nosuch": stat /nosuch: no such file or directory: unknown"#,
                NOT_FOUND,
            ),
            (
                r#"unable to start container process: exec: "/etc/passwd": permission denied: unknown"#,
                NOT_EXECUTABLE,
            ),
            (
                r#"unable to start container process: exec: "/bin": is a directory: unknown"#,
                NOT_EXECUTABLE,
            ),
            (
                "standard_init_linux.go:228: exec user process caused: exec format error",
                NOT_EXECUTABLE,
            ),
            (
                "crun: executable file `nosuch` not found in $PATH: No such file or directory: OCI runtime attempted to invoke a command that was not found",
                NOT_FOUND,
            ),
            (
                r#"OCI runtime create failed: chdir to cwd ("/nope") set in config.json failed: no such file or directory: unknown"#,
                REFUSED,
            ),
            (
                r#"error mounting "/a" to rootfs at "/run/clawbox": no such file or directory"#,
                REFUSED,
            ),
            (
                r#"runc create failed: unable to start container process: exec: "/.clawbox/init": permission denied"#,
                REFUSED,
            ),
            (r#""nosuch": no such program in the image"#, NOT_FOUND),
            ("cgroup: permission denied", REFUSED),
            ("", REFUSED),
        ] {
            let error = EngineError::new(EngineErrorKind::Refused, words);
            assert_eq!(of_start(&error), status, "{words}");
        }
    }

    #[test]
    fn an_exit_is_the_commands_own_but_for_the_deadline_and_a_lost_one() {
        let exit = |status, code| {
            let mut exit = ExitReport::new(status);
            exit.exit_code = code;
            of_exit(&exit)
        };
        for code in [0, 1, 124, 125, 126, 127, 137, 255] {
            assert_eq!(
                i32::from(exit(ContainerStatus::Failed, Some(code))),
                code,
                "{code}"
            );
        }
        assert_eq!(exit(ContainerStatus::TimedOut, Some(137)), DEADLINE);
        assert_eq!(exit(ContainerStatus::TimedOut, None), DEADLINE);
        assert_eq!(exit(ContainerStatus::Lost, None), REFUSED);
    }
}
