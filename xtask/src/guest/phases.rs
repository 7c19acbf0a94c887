//! The phases of a job, each with its time: what the guest says, listened to.

use std::io::{BufRead as _, BufReader, Read};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// A phase's name, which the guest says as `== NAME`, and how long it may take. The first begins unsaid.
pub(super) type Phase = (&'static str, Duration);

/// Tells what the guest says until it says no more. An error when a phase takes too long, or the last never came.
pub(super) fn follow(
    output: impl Read + Send + 'static,
    phases: &[Phase],
    mut tell: impl FnMut(&str),
) -> Result<()> {
    let lines = lines(output);
    let mut phases = phases.iter().peekable();
    while let Some((name, limit)) = phases.next() {
        let start = Instant::now();
        let until = start + *limit;
        let next = phases.peek().map(|(next, _)| format!("== {next}"));
        loop {
            let left = until.saturating_duration_since(Instant::now());
            // A guest that never falls silent has no more time than another.
            let line = match lines.recv_timeout(left) {
                Ok(_) if left.is_zero() => Err(RecvTimeoutError::Timeout),
                line => line,
            };
            let seconds = start.elapsed().as_secs_f32();
            match line {
                Ok(line) if Some(&line) == next.as_ref() => {
                    tell(&format!("({name}: {seconds:.1} s)\n{line}"));
                    break;
                }
                Ok(line) => tell(&line),
                Err(RecvTimeoutError::Timeout) => {
                    bail!("{name} took longer than {} s", limit.as_secs())
                }
                Err(RecvTimeoutError::Disconnected) if next.is_none() => break,
                Err(RecvTimeoutError::Disconnected) => bail!("the guest ended in {name}"),
            }
        }
    }
    Ok(())
}

/// The lines of a serial port, where each ends as on a typewriter.
fn lines(output: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let lines = BufReader::new(output).split(b'\n');
        for line in lines.map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line);
            if sender.send(line.trim_end_matches('\r').to_owned()).is_err() {
                break;
            }
        }
    });
    receiver
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    fn told(output: impl Read + Send + 'static, phases: &[Phase]) -> (Vec<String>, Result<()>) {
        let mut told = Vec::new();
        let result = follow(output, phases, |line| told.push(line.to_owned()));
        (told, result)
    }

    #[test]
    fn all_is_told_until_the_guest_ends_in_its_last_phase() {
        let output = b"a\r\n== work\r\nb\r\n== no phase\r\n".as_slice();
        let (told, result) = told(output, &[("boot", LONG), ("work", LONG)]);
        result.unwrap();
        assert_eq!(told, ["a", "(boot: 0.0 s)\n== work", "b", "== no phase"]);
    }

    #[test]
    fn a_guest_that_ends_before_its_last_phase_has_failed() {
        let (_, result) = told(b"a\n".as_slice(), &[("boot", LONG), ("work", LONG)]);
        assert_eq!(result.unwrap_err().to_string(), "the guest ended in boot");
    }

    #[test]
    fn a_phase_ends_in_time_whether_the_guest_is_silent_or_not() {
        let soon = Duration::from_millis(50);
        let (silent, _writer) = io::pipe().unwrap();
        let (_, result) = told(silent, &[("boot", soon)]);
        assert_eq!(result.unwrap_err().to_string(), "boot took longer than 0 s");

        // There always is a next line by the time that this one is told.
        let loud = io::Cursor::new(b"\n".repeat(1000));
        let slowly = |_: &str| thread::sleep(Duration::from_millis(2));
        let result = follow(loud, &[("boot", soon)], slowly);
        assert_eq!(result.unwrap_err().to_string(), "boot took longer than 0 s");
    }
}
