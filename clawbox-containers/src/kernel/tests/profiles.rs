//! What gate 2 wants to see follows the profile that is planned.

use super::*;
use PolicyItem::*;
use SeccompProfileName::{Compat, NoMemfd, Strict};

fn denies(spec: &PlanSpec, answers: &Answers) -> Vec<PolicyItem> {
    denied(&judged(spec, answers)).into_keys().collect()
}

/// The record, as it would be under this profile.
fn under(profile: SeccompProfileName) -> Answers {
    let mut answers = record(CGROUP_1);
    for call in refused_calls() {
        let errno = call.errno_under(&spec(profile).seccomp);
        answers = with_result(&answers, Look::Call(call), -errno);
    }
    if profile != Compat {
        return answers;
    }
    let look = Look::read("/proc/self/mountinfo");
    let shm = "200 120 0:60 / /dev/shm rw,nosuid,nodev,noexec - tmpfs tmpfs rw,size=65536k,nr_inodes=1024\n";
    // What /dev/shm takes is /tmp's no more.
    let mounts = text(&answers, &look).replace("size=262144k", "size=241664k") + shm;
    let answers = with_result(&answers, Look::Stat("/dev/shm".to_owned()), 0o041_777);
    with(&answers, look, mounts)
}

#[test]
fn what_is_planned_is_what_holds() {
    for planned in SeccompProfileName::ALL {
        for given in SeccompProfileName::ALL {
            let denied = denies(&spec(planned), &under(given));
            let expected: &[PolicyItem] = match (planned, given) {
                (Compat, Compat) => &[],
                (Compat, _) => &[Seccomp, Tmpfs, Ipc],
                (_, Compat) => &[Seccomp, Tmpfs, Ipc],
                _ if planned == given => &[],
                _ => &[Seccomp],
            };
            assert_eq!(denied, expected, "{planned} planned, {given} given");
        }
    }
}

#[test]
fn shared_memory_is_as_planned_or_denied() {
    let look = || Look::read("/proc/self/mountinfo");
    for (from, to) in [
        ("size=65536k,nr", "size=65540k,nr"),
        ("nr_inodes=1024\n", "nr_inodes=1025\n"),
        (
            "/dev/shm rw,nosuid,nodev,noexec",
            "/dev/shm rw,nosuid,nodev",
        ),
    ] {
        let changed = replaced(&under(Compat), look(), from, to);
        assert_eq!(denies(&spec(Compat), &changed), [Tmpfs], "{to}");
    }
    let mut own = spec(Compat);
    own.tmpfs.0.remove("/dev/shm");
    assert_eq!(denies(&own, &under(Compat)), [Ipc]);
}

#[test]
fn each_profile_answers_some_call_as_no_other_does() {
    let answers = |profile| {
        let seccomp = spec(profile).seccomp;
        let calls = refused_calls().iter();
        calls
            .map(move |call| call.errno_under(&seccomp))
            .collect::<Vec<_>>()
    };
    assert_ne!(answers(Strict), answers(Compat));
    assert_ne!(answers(Strict), answers(NoMemfd));
    assert_ne!(answers(Compat), answers(NoMemfd));
}
