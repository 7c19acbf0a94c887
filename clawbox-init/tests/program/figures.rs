//! What process 1 costs. The figures are printed: `cargo test -p clawbox-init figures -- --nocapture`.

use std::process::{Command as Process, Stdio};
use std::time::{Duration, Instant};

use clawbox_init::protocol::{End, FromInit, Question};

use crate::manager::{Init, program};
use crate::wanted::Wanted;

/// What a process holds.
#[derive(Debug, PartialEq, Eq)]
struct Held {
    descriptors: i64,
    children: usize,
    resident_kib: u64,
}

fn held(init: &mut Init) -> Held {
    let [fds, status] = init
        .ask(&[
            Question::List(c"/proc/self/fd"),
            Question::Read(c"/proc/self/status"),
        ])
        .try_into()
        .unwrap();
    let status = String::from_utf8(status.1).unwrap();
    let resident = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .unwrap();
    let resident_kib = resident.trim().trim_end_matches(" kB").parse().unwrap();
    let pid = init.pid();
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    Held {
        descriptors: fds.0,
        children: children.split_whitespace().count(),
        resident_kib,
    }
}

/// Runs a further command to its end: how long that takes.
fn run(init: &mut Init, wanted: &Wanted) -> Duration {
    let begun = Instant::now();
    init.run(1, wanted);
    init.expect(FromInit::Started { run: 1 });
    init.expect_ended(1, End::Code(0), false);
    begun.elapsed()
}

/// The same as a child of this process, to compare with.
fn run_plainly() -> Duration {
    let begun = Instant::now();
    let mut command = Process::new("/bin/true");
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    assert!(command.spawn().unwrap().wait().unwrap().success());
    begun.elapsed()
}

fn percentiles(times: &mut [Duration]) -> String {
    times.sort_unstable();
    let at = |percent| times[times.len() * percent / 100];
    format!("p50 {:?}, p95 {:?}", at(50), at(95))
}

#[test]
fn figures_of_ten_thousand_commands_in_one_container() {
    let mut init = Init::running();
    let wanted = Wanted::new(&["/bin/true"]);
    for _ in 0..100 {
        run(&mut init, &wanted);
    }
    let before = held(&mut init);
    let mut times: Vec<_> = (0..10_000).map(|_| run(&mut init, &wanted)).collect();
    let after = held(&mut init);
    let mut plain: Vec<_> = (0..1000).map(|_| run_plainly()).collect();
    eprintln!(
        "before {before:?}; after 10,000 commands {after:?}; {}; a child of the test's own: {}",
        percentiles(&mut times),
        percentiles(&mut plain),
    );
    assert_eq!(
        (after.descriptors, after.children),
        (before.descriptors, before.children)
    );
    assert_eq!(after.children, 1, "the container's own command");
    assert!(after.resident_kib <= before.resident_kib + 64);
}

#[test]
fn figures_of_a_command_as_large_as_they_come() {
    let mut init = Init::running();
    let before = held(&mut init);
    let env = format!("A={}", "x".repeat(100_000));
    let large = Wanted::new(&["/bin/true"]).with_env(&[env.as_str(); 16]);
    run(&mut init, &large);
    let after = held(&mut init);
    eprintln!("before {before:?}; after a command of 1.6 MB {after:?}");
    assert!(
        after.resident_kib <= before.resident_kib + 256,
        "its memory is given back"
    );
}

#[test]
fn figures_of_the_program() {
    let mut times: Vec<_> = (0..50)
        .map(|_| {
            let begun = Instant::now();
            let mut init = Init::start();
            init.hear_hello();
            begun.elapsed()
        })
        .collect();
    times.sort_unstable();
    let held = held(&mut Init::running());
    let size = program().len();
    eprintln!(
        "{size} bytes; start to Hello p50 {:?}; idle {held:?}",
        times[25]
    );
    assert!(size < 700_000);
    assert!(held.resident_kib < 1024);
}
