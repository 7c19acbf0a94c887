//! catatonit, Podman's own process 1, ends with 1 where the command cannot be run, and says why in the container's output.
//! A command may do so too: it gives its own exit code, and could give the one below as well.

use clawbox_containers::{engine::OutputChunk, types::OutputStream};
use std::time::Duration;

/// What it ends with when something fails.
pub(crate) const FAILED: i32 = 1;
/// More output than it writes, with the frames that it comes in.
pub(crate) const MOST_BYTES: usize = 512;

/// How long a complaint that is not whole is waited for, look by look.
pub(crate) const PAUSES: [Duration; 3] = [
    Duration::from_millis(20),
    Duration::from_millis(80),
    Duration::ZERO,
];

const COMPLAINT: &str = "failed to exec pid1: ";
const NOT_THERE: &str = "No such file or directory";

/// A shell's exit code for a command that cannot be run, where catatonit's complaint is all the output there is.
pub(crate) fn not_run(output: &[OutputChunk]) -> Option<i32> {
    if output.iter().any(|it| it.stream != OutputStream::Stderr) {
        return None;
    }
    let parts = output.iter().map(|it| it.bytes.as_ref());
    let text = parts.collect::<Vec<&[u8]>>().concat();
    let line = std::str::from_utf8(&text).ok()?.strip_suffix('\n')?;
    let (pid, complaint) = line.strip_prefix("ERROR (catatonit:")?.split_once("): ")?;
    let why = complaint.strip_prefix(COMPLAINT)?;
    if pid.parse::<u32>().is_err() || why.contains('\n') {
        return None;
    }
    Some(if why == NOT_THERE { 127 } else { 126 })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(output: &[(OutputStream, &str)], expected: Option<i32>) {
        let chunk = |(stream, text): &(OutputStream, &str)| OutputChunk {
            stream: *stream,
            bytes: text.to_string().into(),
        };
        let chunks: Vec<OutputChunk> = output.iter().map(chunk).collect();
        assert_eq!(not_run(&chunks), expected, "{output:?}");
    }

    /// As Podman 4.3.1 gave them, in one piece and in several.
    #[test]
    fn a_complaint_is_a_shells_code() {
        use OutputStream::Stderr;
        let missing = "ERROR (catatonit:2): failed to exec pid1: No such file or directory\n";
        check(&[(Stderr, missing)], Some(127));
        let denied = "failed to exec pid1: Permission denied\n";
        check(
            &[(Stderr, "ERROR (catatonit:2): "), (Stderr, denied)],
            Some(126),
        );
    }

    #[test]
    fn what_a_command_says_beside_is_its_own() {
        use OutputStream::{Stderr, Stdout};
        let missing = "ERROR (catatonit:2): failed to exec pid1: No such file or directory\n";
        for output in [
            [(Stdout, missing), (Stderr, "")],
            [(Stderr, missing), (Stderr, "more\n")],
            [(Stderr, "before\n"), (Stderr, missing)],
            [(Stderr, missing), (Stdout, "more\n")],
            [(Stderr, "ERROR (catatonit:2): "), (Stderr, "no child\n")],
            [
                (Stderr, "ERROR (catatonit:x): "),
                (Stderr, "failed to exec pid1: a\n"),
            ],
            [
                (Stderr, "ERROR (catatonit:2): failed to exec pid1: "),
                (Stderr, "cut"),
            ],
            [(Stderr, "cat: x\n"), (Stderr, "")],
        ] {
            check(&output, None);
        }
        check(&[], None);
    }
}
