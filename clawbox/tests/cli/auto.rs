//! Which engine is taken where nobody chooses a backend.

use crate::{
    Case,
    fake::{Fake, docker, podman, stranger},
    rig::{Ended, IMAGE, Rig, end},
};
use std::os::unix::net::UnixListener;

pub(crate) const CASES: &[Case] = &[
    ("the_users_own_podman_is_taken", own_podman),
    ("rootless_comes_before_root", rootless_first),
    ("podman_comes_before_docker", podman_first),
    ("root_is_said_and_what_was_passed_over", as_root),
    ("whoever_is_at_the_host_is_taken", whoever),
    ("what_cannot_be_used_is_named_with_the_reason", unusable),
    ("each_place_is_named_where_there_is_no_engine", none),
];

/// `clawbox ps` with these addresses of Podman's and Docker's in the environment.
fn ps(rig: &Rig, podman: &str, docker: &str, quiet: bool) -> Ended {
    let mut ps = rig.bare(&["ps"]);
    if quiet {
        ps.arg("-q");
    }
    ps.env("CONTAINER_HOST", podman).env("DOCKER_HOST", docker);
    end(ps)
}

fn at(rig: &Rig, name: &str) -> String {
    format!("unix://{}", rig.path(name).display())
}

fn check(ended: &Ended, says: &str) {
    let line = format!("clawbox: {says}\n");
    assert!(ended.stderr.contains(&line), "{line}{ended:?}");
}

fn own_podman(rig: &Rig) {
    let host = podman("4.3.1", true).serve(&rig.path("podman/podman.sock"));
    let says = format!("using podman 4.3.1, rootless, at {host}");
    check(&ps(rig, "", &at(rig, "none.sock"), false), &says);
    let quiet = ps(rig, "", &at(rig, "none.sock"), true);
    assert!(!quiet.stderr.contains("using"), "{quiet:?}");
}

fn rootless_first(rig: &Rig) {
    let root = podman("5.4.2", false).serve(&rig.path("root.sock"));
    let own = docker("26.1.5", true).serve(&rig.path("own.sock"));
    let says = format!("using docker 26.1.5, rootless, at {own}");
    check(&ps(rig, &root, &own, false), &says);
    let user = docker("27.0.0", true).serve(&rig.path("docker.sock"));
    let says = format!("using docker 27.0.0, rootless, at {user}");
    check(&ps(rig, &root, "", false), &says);
}

fn podman_first(rig: &Rig) {
    for rootless in [true, false] {
        let name = |engine: &str| rig.path(&format!("{engine}{rootless}.sock"));
        let d = docker("26.1.5", rootless).serve(&name("d"));
        let p = podman("5.4.2", rootless).serve(&name("p"));
        let ended = ps(rig, &p, &d, false);
        assert!(ended.stderr.contains("using podman 5.4.2"), "{ended:?}");
    }
}

fn as_root(rig: &Rig) {
    let none = at(rig, "none.sock");
    let host = docker("26.1.5", false).serve(&rig.path("root.sock"));
    let ended = ps(rig, &none, &host, false);
    let says = format!("using docker 26.1.5, as root, at {host}: no rootless engine answers");
    check(&ended, &says);
    let passed = "(from CONTAINER_HOST): there is no such socket";
    check(&ended, &format!("passed over: podman at {none} {passed}"));
}

fn whoever(rig: &Rig) {
    for (name, fake, says) in [
        ("p", podman("4.9.3", true), "using podman 4.9.3, rootless"),
        ("q", podman("5.4.2", false), "using podman 5.4.2, as root"),
        ("d", docker("26.1.5", true), "using docker 26.1.5, rootless"),
    ] {
        let host = fake.serve(&rig.path(name));
        let ended = end(rig.bare(&["ps", "--host", &host]));
        check(&ended, &format!("{says}, at {host}"));
    }
}

fn unusable(rig: &Rig) {
    let silent = rig.path("silent");
    let _silent = UnixListener::bind(&silent).expect("a socket");
    let dead = rig.path("dead");
    drop(UnixListener::bind(&dead).expect("a socket"));
    let served = |name: &str, fake: Fake| fake.serve(&rig.path(name));
    for (host, why) in [
        (at(rig, "silent"), "no answer within 3s"),
        (at(rig, "dead"), "nobody listens there"),
        (at(rig, "none"), "there is no such socket"),
        (
            served("nginx", stranger()),
            "what answers there is neither docker nor podman",
        ),
        (
            served("old", podman("3.4.4", true)),
            "podman 3.4.4 answers there; 4.0 is the oldest that can be used",
        ),
    ] {
        let ended = end(rig.bare(&["run", "--image", IMAGE, "--host", &host, "true"]));
        assert_eq!(ended.status, 125, "{ended:?}");
        check(&ended, "no engine can be used:");
        check(&ended, &format!("  engine at {host}: {why}"));
        assert!(ended.stderr.contains("clawbox doctor"), "{ended:?}");
    }
}

fn none(rig: &Rig) {
    let none = at(rig, "none.sock");
    let ended = ps(rig, &none, "tcp://127.0.0.1:2375", true);
    assert_eq!(ended.status, 1, "{ended:?}");
    let why = "(from CONTAINER_HOST): there is no such socket";
    check(&ended, &format!("  podman at {none} {why}"));
    assert!(ended.stderr.contains("tcp://127.0.0.1:2375"), "{ended:?}");
}
