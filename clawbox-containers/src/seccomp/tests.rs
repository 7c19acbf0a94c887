mod page;

use std::collections::BTreeMap;

use serde_json::Value;

use super::data::{Action, Data, DataError};
use super::{STRICT, SeccompProfile, SeccompProfileName};

/// Refused whatever the arguments are. Kept apart from the data on purpose: an edit there that
/// opens one of these has to be made here as well.
const NEVER: &str = "
    io_uring_setup io_uring_enter io_uring_register ptrace process_vm_readv process_vm_writev kcmp
    pidfd_getfd process_madvise keyctl add_key request_key bpf perf_event_open userfaultfd memfd_secret
    mount umount umount2 fsopen fsmount fsconfig fspick open_tree open_tree_attr move_mount mount_setattr
    statmount listmount pivot_root chroot unshare setns clone3 open_by_handle_at name_to_handle_at
    fanotify_init fanotify_mark init_module finit_module delete_module kexec_load kexec_file_load reboot
    swapon swapoff settimeofday clock_settime adjtimex clock_adjtime quotactl quotactl_fd acct iopl ioperm
    modify_ldt vm86 vm86old syslog lookup_dcookie nfsservctl shmget shmat shmctl shmdt semget semop
    semtimedop semctl msgget msgsnd msgrcv msgctl mq_open sethostname setdomainname vhangup
    lsm_get_self_attr lsm_set_self_attr lsm_list_modules cachestat io_setup io_submit";

/// What the compiled filter answers: `None` is allowed, otherwise the errno. Reads the JSON and
/// nothing else, and insists on one rule at most.
fn answer(profile: &Value, name: &str, args: [u64; 6]) -> Option<u64> {
    let rules: Vec<&Value> = profile["syscalls"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|rule| rule["names"].as_array().unwrap().contains(&name.into()))
        .filter(|rule| {
            rule["args"].as_array().is_none_or(|conditions| {
                conditions.iter().all(|c| {
                    assert_eq!(c["op"], "SCMP_CMP_MASKED_EQ");
                    let arg = args[usize::try_from(c["index"].as_u64().unwrap()).unwrap()];
                    arg & c["value"].as_u64().unwrap() == c["valueTwo"].as_u64().unwrap()
                })
            })
        })
        .collect();
    match rules[..] {
        [] => Some(1),
        [rule] if rule["action"] == "SCMP_ACT_ALLOW" => None,
        [rule] => Some(rule["errnoRet"].as_u64().unwrap()),
        _ => panic!("{name}{args:?} is decided twice"),
    }
}

fn strict() -> Value {
    compiled(SeccompProfileName::Strict)
}

fn compiled(name: SeccompProfileName) -> Value {
    serde_json::from_str(&SeccompProfile::named(name).to_oci_json()).unwrap()
}

#[test]
fn default_is_refusal_on_the_native_architecture() {
    let profile = strict();
    let keys: Vec<&String> = profile.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["archMap", "defaultAction", "syscalls"]);
    for arch in profile["archMap"].as_array().unwrap() {
        assert_eq!(arch["subArchitectures"], serde_json::json!([]), "{arch}");
    }
    assert_eq!(profile["defaultAction"], "SCMP_ACT_ERRNO");
    assert_eq!(answer(&profile, "a_call_of_tomorrow", [0; 6]), Some(1));
    for rule in profile["syscalls"].as_array().unwrap() {
        let errno = &rule["errnoRet"];
        match rule["action"].as_str().unwrap() {
            "SCMP_ACT_ALLOW" => assert!(errno.is_null(), "{rule}"),
            "SCMP_ACT_ERRNO" => assert!(errno.as_u64().unwrap() > 1, "{rule}"),
            other => panic!("{other}"),
        }
    }
}

#[test]
fn compiling_is_repeatable() {
    let again = SeccompProfile::parse(STRICT).unwrap();
    assert_eq!(&again, SeccompProfile::strict());
}

#[test]
fn a_profile_has_the_name_that_it_is_chosen_by() {
    for name in SeccompProfileName::ALL {
        assert_eq!(SeccompProfile::named(name).name(), name.as_str());
        assert_eq!(name.as_str().parse(), Ok(name));
        assert_eq!(serde_json::to_value(name).unwrap(), name.as_str());
    }
    let names = SeccompProfile::all().map(SeccompProfile::name);
    assert!(names.eq(SeccompProfileName::ALL.map(SeccompProfileName::as_str)));
    let refused = "unconfined".parse::<SeccompProfileName>().unwrap_err();
    assert!(refused.to_string().contains("strict, compat, no_memfd"));
}

/// Call by call, as a profile is chosen for what is written in its own file.
#[test]
fn the_other_profiles_are_strict_but_for_their_differences() {
    use SeccompProfileName::{Compat, NoMemfd, Strict};
    const SHARED: [&str; 8] = [
        "semctl",
        "semget",
        "semop",
        "semtimedop",
        "shmat",
        "shmctl",
        "shmdt",
        "shmget",
    ];
    let data: Data = serde_json::from_str(STRICT).unwrap();
    let names = data.groups.iter().flat_map(|group| &group.names);
    let arguments = [
        0,
        1,
        2,
        3,
        5,
        8,
        16,
        40,
        0o20_600,
        0x5412,
        0x1000_0011,
        u64::MAX,
    ];
    let [strict, compat, no_memfd] = [Strict, Compat, NoMemfd].map(compiled);
    for name in names {
        for arg in arguments {
            let args = [arg; 6];
            let [before, shared, closed] =
                [&strict, &compat, &no_memfd].map(|profile| answer(profile, name, args));
            let is_shared = SHARED.contains(&name.as_str());
            assert_eq!(shared, if is_shared { None } else { before }, "{name}");
            let is_memfd = name == "memfd_create";
            assert_eq!(closed, if is_memfd { Some(38) } else { before }, "{name}");
        }
    }
}

#[test]
fn a_difference_is_over_the_right_profile_and_is_one() {
    let check = |over: &str, group: &str| {
        let strict: Data = serde_json::from_str(STRICT).unwrap();
        let text =
            format!(r#"{{"name": "x", "over": "{over}", "groups": [{{"reason": "r", {group}}}]}}"#);
        strict.with(serde_json::from_str(&text).unwrap())
    };
    let allow = |name: &str| format!(r#""action": "allow", "names": ["{name}"]"#);
    let base = check("loose", &allow("shmget")).unwrap_err();
    assert!(matches!(base, DataError::Base { .. }), "{base}");
    for name in ["read", "no_such_call"] {
        let same = check("strict", &allow(name)).unwrap_err();
        assert!(
            matches!(&same, DataError::Same { name: n } if n == name),
            "{same}"
        );
    }
    // Of what was conditional before, nothing is left.
    let whole = check("strict", &allow("socket")).unwrap();
    assert_eq!(
        whole
            .rules()
            .unwrap()
            .iter()
            .filter(|r| r.names.contains(&"socket".to_owned()))
            .count(),
        1
    );
    assert!(whole.groups.iter().all(|group| !group.names.is_empty()));
    let narrower =
        r#""action": "allow", "names": ["read"], "when": [{"arg": 0, "in": {"stdin": 0}}]"#;
    assert!(check("strict", narrower).is_ok());
}

/// What kernels have gained since 5.10 is decided, and not left to the default by oversight.
#[test]
fn what_is_new_in_the_kernel_has_its_decision() {
    const NEW: &str = "
        process_madvise epoll_pwait2 mount_setattr quotactl_fd landlock_create_ruleset landlock_add_rule
        landlock_restrict_self memfd_secret process_mrelease futex_waitv set_mempolicy_home_node cachestat fchmodat2
        map_shadow_stack futex_wake futex_wait futex_requeue statmount listmount lsm_get_self_attr lsm_set_self_attr
        lsm_list_modules mseal setxattrat getxattrat listxattrat removexattrat open_tree_attr file_getattr file_setattr
        listns uretprobe uprobe";
    let data: Data = serde_json::from_str(STRICT).unwrap();
    for name in NEW.split_whitespace() {
        let of = |group: &&super::data::Group| group.names.iter().any(|n| n == name);
        assert!(data.groups.iter().any(|group| of(&group)), "{name}");
    }
}

#[test]
fn some_calls_are_never_allowed() {
    let profile = strict();
    for name in NEVER.split_whitespace() {
        for rule in profile["syscalls"].as_array().unwrap() {
            let named = rule["names"].as_array().unwrap().contains(&name.into());
            assert!(
                !named || rule["action"] == "SCMP_ACT_ERRNO",
                "{name} in {rule}"
            );
        }
    }
}

#[test]
fn every_refused_call_is_written_down_with_its_reason() {
    let data: Data = serde_json::from_str(STRICT).unwrap();
    for name in NEVER.split_whitespace() {
        let group = data
            .groups
            .iter()
            .find(|g| g.names.iter().any(|n| n == name));
        let group = group.unwrap_or_else(|| panic!("{name} is in no group"));
        assert_ne!(group.action, Action::Allow, "{name}");
        assert!(group.reason.len() > 20, "{name}: {}", group.reason);
    }
}

#[test]
fn arguments_decide() {
    const ENOSYS: Option<u64> = Some(38);
    const EPERM: Option<u64> = Some(1);
    const NO_PROTOCOL: Option<u64> = Some(93);
    const NO_FAMILY: Option<u64> = Some(97);
    const OK: Option<u64> = None;
    let profile = strict();
    let cases: &[(&str, &[u64], Option<u64>)] = &[
        ("read", &[], OK),
        ("clone", &[0x3d_0f00], OK),
        ("clone", &[0x0120_0011], OK),
        ("clone", &[0x1000_0011], EPERM),
        ("clone", &[0x0002_0011], EPERM),
        ("clone", &[0x0200_0000], EPERM),
        ("clone", &[0x0400_0000], EPERM),
        ("clone", &[0x0800_0000], EPERM),
        ("clone", &[0x2000_0000], EPERM),
        ("clone", &[0x4000_0000], EPERM),
        ("clone3", &[], ENOSYS),
        ("cachestat", &[], ENOSYS),
        ("mknod", &[0, 0o644], OK),
        ("mknod", &[0, 0o100_644], OK),
        ("mknod", &[0, 0o010_600], OK),
        ("mknod", &[0, 0o140_755], OK),
        ("mknod", &[0, 0o020_600], EPERM),
        ("mknod", &[0, 0o060_600], EPERM),
        ("mknodat", &[0o010_600, 0, 0o020_600], EPERM),
        ("mknodat", &[0o020_600, 0, 0o010_600], OK),
        ("socket", &[1, 5, 0], OK),
        ("socket", &[2, 1, 0], OK),
        ("socket", &[10, 0o2_004_001, 6], OK),
        ("socket", &[2, 2, 17], OK),
        ("socket", &[2, 2, 6], EPERM),
        ("socket", &[2, 2, 1], EPERM),
        ("socket", &[2, 1, 132], EPERM),
        ("socket", &[2, 1, 262], EPERM),
        ("socket", &[2, 3, 1], EPERM),
        ("socket", &[2, 10, 3], EPERM),
        ("socket", &[10, 3, 58], EPERM),
        ("socket", &[16, 3, 0], OK),
        ("socket", &[16, 3, 1], NO_PROTOCOL),
        ("socket", &[16, 3, 9], NO_PROTOCOL),
        ("socket", &[16, 2, 15], NO_PROTOCOL),
        ("socket", &[17, 3, 0], EPERM),
        ("socket", &[38, 5, 0], NO_FAMILY),
        ("socket", &[40, 1, 0], NO_FAMILY),
        ("socket", &[0, 1, 0], NO_FAMILY),
        ("socket", &[63, 1, 0], NO_FAMILY),
        ("socket", &[65, 1, 0], EPERM),
        ("socket", &[16, 3, 32], EPERM),
        ("socketpair", &[1, 1, 0], OK),
        ("socketpair", &[30, 1, 0], EPERM),
        ("ioctl", &[0, 0x5401], OK),
        ("ioctl", &[0, 0xffff_ffff_8004_5430], OK),
        ("ioctl", &[0, 0x5412], EPERM),
        ("ioctl", &[0, 0x1_0000_5412], EPERM),
        ("ioctl", &[0, 0xffff_ffff_0000_541c], EPERM),
        ("ioctl", &[0, 0x5423], EPERM),
        ("ioctl", &[0x5412, 0x5413], OK),
        ("prlimit64", &[0, 7], OK),
        ("prlimit64", &[1, 7], EPERM),
        ("prlimit64", &[0xffff_ffff], EPERM),
        ("sched_setscheduler", &[7, 0], OK),
        ("sched_setscheduler", &[0, 0x4000_0003], OK),
        ("sched_setscheduler", &[0, 1], EPERM),
        ("sched_setscheduler", &[0, 2], EPERM),
        ("sched_setscheduler", &[0, 6], EPERM),
        ("sched_setscheduler", &[0, 0x4000_0001], EPERM),
        ("sched_setattr", &[], ENOSYS),
        ("setpriority", &[0, 0, 19], OK),
        ("setpriority", &[0, 0, 0], OK),
        ("setpriority", &[0, 0, 0xffff_ffff], EPERM),
        ("setpriority", &[0, 0, 0xffff_ffff_ffff_ffec], EPERM),
        ("personality", &[0], OK),
        ("personality", &[8], OK),
        ("personality", &[u64::MAX], OK),
        ("personality", &[0x0040_0000], EPERM),
        ("personality", &[0x0004_0000], EPERM),
    ];
    for &(name, given, wanted) in cases {
        let mut args = [0; 6];
        args[..given.len()].copy_from_slice(given);
        assert_eq!(answer(&profile, name, args), wanted, "{name}{given:x?}");
    }
}

#[test]
fn every_family_and_request_has_exactly_one_answer() {
    let profile = strict();
    for high in [0, 1 << 32] {
        let mut open = BTreeMap::new();
        for family in 0..=64 {
            for kind in 0..=10 {
                for protocol in [0, 1, 6, 9, 17, 58, 132, 255, 262] {
                    if answer(&profile, "socket", [family | high, kind, protocol, 0, 0, 0])
                        .is_none()
                    {
                        *open.entry(family).or_insert(0) += 1;
                    }
                }
            }
        }
        assert_eq!(
            open.into_iter().collect::<Vec<_>>(),
            [(1, 99), (2, 4), (10, 4), (16, 11)]
        );
        let refused: Vec<u64> = (0x5300..=0x54ff)
            .chain([0, 0x8004_5412, 0x0001_5412, 0x541c_0000])
            .filter(|request| answer(&profile, "ioctl", [3, request | high, 0, 0, 0, 0]).is_some())
            .collect();
        assert_eq!(refused, [0x5412, 0x541c, 0x5423]);
    }
}

#[test]
fn unsound_data_is_refused() {
    let check = |groups: &str| {
        let text = format!(r#"{{"name": "x", "groups": [{groups}]}}"#);
        SeccompProfile::parse(&text).unwrap_err()
    };
    let group = |rest: &str| format!(r#"{{"reason": "r", {rest}}}"#);

    let silent = check(r#"{"reason": " ", "action": "allow", "names": ["read"]}"#);
    assert!(matches!(silent, DataError::Reason { group: 0 }), "{silent}");
    let empty = check(&group(r#""action": "allow", "names": []"#));
    assert!(matches!(empty, DataError::Empty { group: 0 }), "{empty}");

    let allow = group(r#""action": "allow", "names": ["write", "socket"]"#);
    for other in [
        r#""action": "refuse", "names": ["socket"]"#,
        r#""action": "allow", "names": ["socket"]"#,
        r#""action": {"errno": "ENOSYS"}, "names": ["socket"], "when": [{"arg": 0, "in": {"a": 1}}]"#,
    ] {
        let both = check(&format!("{allow}, {}", group(other)));
        assert!(
            matches!(&both, DataError::Overlap { name, .. } if name == "socket"),
            "{both}"
        );
    }
    let unix = r#""action": "allow", "names": ["socket"], "when": [{"arg": 0, "in": {"a": 1}}]"#;
    let stream = r#""action": "allow", "names": ["socket"], "when": [{"arg": 1, "in": {"a": 1}}]"#;
    let both = check(&format!("{}, {}", group(unix), group(stream)));
    assert!(
        matches!(
            both,
            DataError::Overlap {
                first: 0,
                second: 1,
                ..
            }
        ),
        "{both}"
    );

    for condition in [
        r#"{"arg": 6, "in": {"a": 1}}"#,
        r#"{"arg": 0}"#,
        r#"{"arg": 0, "in": {"a": 1}, "not_in": {"b": 2}}"#,
        r#"{"arg": 0, "mask": 6, "in": {"a": 1}}"#,
        r#"{"arg": 0, "in": {"a": 1}}, {"arg": 0, "not_in": {"a": 2}}"#,
    ] {
        let lost = check(&group(&format!(
            r#""action": "allow", "names": ["x"], "when": [{condition}]"#
        )));
        assert!(
            matches!(lost, DataError::Condition { group: 0, .. }),
            "{condition}: {lost}"
        );
    }
    let lost = check(&group(&unix.replace("allow", "refuse")));
    assert!(
        matches!(lost, DataError::Condition { group: 0, .. }),
        "{lost}"
    );

    for form in [
        r#""action": "permit", "names": ["x"]"#,
        r#""action": {"errno": "EINVAL"}, "names": ["x"]"#,
        r#""action": "allow", "names": ["x"], "args": []"#,
        r#""action": "allow", "names": ["x"], "when": [{"arg": 0, "in": {"a": "0x100000000"}}]"#,
        r#""action": "allow", "names": ["x"], "when": [{"arg": 0, "in": {"a": "12"}}]"#,
    ] {
        let form = check(&group(form));
        assert!(matches!(form, DataError::Form(_)), "{form}");
    }
}
