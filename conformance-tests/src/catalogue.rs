//! The catalogue of what a hostile container, a careless caller and a bad day will try: what each row of it tries,
//! and the cases that do.

use crate::report::{CaseReport, EntryReport, Outcome};

/// One row.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// A letter for its group, and a number.
    pub id: &'static str,
    /// What is tried, in a few words.
    pub tried: &'static str,
    /// What proves that it ends as it should.
    pub proof: Proof,
}

/// What proves a row.
#[derive(Debug, Clone, Copy)]
pub enum Proof {
    /// All of these cases, by their ids.
    Cases(&'static [&'static str]),
    /// No case of this suite's, and why; where it is proven instead.
    Elsewhere(&'static str),
}

const fn tried(id: &'static str, tried: &'static str, cases: &'static [&'static str]) -> Entry {
    Entry {
        id,
        tried,
        proof: Proof::Cases(cases),
    }
}

const fn elsewhere(id: &'static str, tried: &'static str, why: &'static str) -> Entry {
    Entry {
        id,
        tried,
        proof: Proof::Elsewhere(why),
    }
}

/// Every row, group by group.
#[rustfmt::skip]
pub const CATALOGUE: &[Entry] = &[
    // Escape and privilege.
    tried("E01", "a user namespace by unshare, clone", &["syscalls/namespaces", "syscalls/other_doors"]),
    tried("E02", "a user namespace by clone3, which must be ENOSYS for C libraries to fall back", &["syscalls/namespaces"]),
    tried("E03", "mounts, remounts and unmounts, by the old calls and the new", &["syscalls/mounts"]),
    tried("E04", "entering another namespace", &["syscalls/namespaces"]),
    tried("E05", "another root: chroot, pivot_root", &["syscalls/mounts"]),
    tried("E06", "becoming root: setuid, setgid, a setuid program", &["hostile/setuid_file", "policy/no_new_privileges", "syscalls/identity"]),
    tried("E07", "running what was written, setuid or not", &["files/scratch_is_not_executable", "hostile/setuid_file"]),
    tried("E08", "device nodes: made, added to /dev, brought along by the image", &["files/devices_cannot_be_added", "hostile/devices", "syscalls/mounts"]),
    tried("E09", "keyrings", &["syscalls/kernel", "syscalls/other_doors"]),
    tried("E10", "bpf, perf_event_open, userfaultfd", &["syscalls/kernel"]),
    tried("E11", "io_uring", &["syscalls/kernel", "syscalls/other_doors"]),
    tried("E12", "tracing a child, process 1", &["syscalls/other_processes", "syscalls/other_doors"]),
    tried("E13", "another process' memory, resources, descriptors", &["syscalls/other_processes"]),
    tried("E14", "files by their handles", &["syscalls/mounts"]),
    tried("E15", "a personality that makes memory executable", &["syscalls/identity"]),
    tried("E16", "reboot, kexec, modules, swap, ports of the processor, the clock", &["syscalls/kernel"]),
    tried("E17", "the kernel's log", &["syscalls/kernel"]),
    tried("E18", "running a file in memory, which works: noexec is a speed bump", &["syscalls/kernel", "compat/no_memory_files"]),
    tried("E19", "a shell that reads a script from noexec, which works as well", &["syscalls/kernel"]),
    tried("E21", "modify_ldt, memfd_secret", &["syscalls/kernel"]),
    tried("E22", "a further command with more than the first one", &["exec/same_policy"]),
    tried("E23", "a working directory that is a descriptor of the runtime's", &["hostile/working_directory", "image/hostile_working_directory", "refusal/working_directories"]),
    tried("E27", "an image's entrypoint before the caller's command", &["hostile/configuration", "image/command_replaces_everything", "policy/arguments"]),
    tried("E28", "an image's stop signal and health check", &["hostile/configuration", "hostile/signals_and_checks"]),
    tried("E29", "process 1: traced, read, written, killed, limited, its socket and its program replaced", &["init/hidden_and_unharmed"]),
    // Resources.
    tried("R01", "a fork bomb", &["limits/processes"]),
    tried("R02", "more memory than there is", &["limits/memory"]),
    tried("R04", "swap beside memory", &["cgroups/no_swap"]),
    tried("R05", "filling /tmp", &["limits/scratch_bytes"]),
    tried("R06", "filling all scratch space, which must not end the command", &["limits/scratch_within_memory"]),
    tried("R07", "files without end", &["limits/scratch_files"]),
    tried("R08", "shared memory, message queues, System V segments", &["files/no_shared_memory", "syscalls/other_processes", "compat/segments", "compat/shared_memory"]),
    tried("R09", "output without end", &["output/beyond_the_bound"]),
    tried("R10", "output of bytes that are no text", &["output/binary"]),
    tried("R11", "descriptors without end", &["limits/open_files"]),
    tried("R12", "zombies", &["limits/orphans"]),
    tried("R13", "a core dump", &["limits/no_core_dump"]),
    tried("R14", "busy loops", &["cgroups/cpu_quota"]),
    tried("R15", "escaping the kernel's choice when memory runs out", &["syscalls/identity"]),
    tried("R16", "real-time scheduling, negative niceness", &["syscalls/identity"]),
    tried("R17", "a file of a size without limit", &["limits/file_size"]),
    tried("R18", "a thousand spawns at once", &["lifecycle/thousand_spawns"]),
    tried("R19", "locked memory", &["limits/locked_memory"]),
    // Network.
    tried("N01", "network interfaces", &["policy/network"]),
    tried("N02", "the internet, a cloud's metadata", &["network/nowhere_outside"]),
    tried("N03", "name servers", &["policy/name_servers"]),
    tried("N04", "raw and packet sockets", &["syscalls/sockets"]),
    tried("N05", "AF_VSOCK", &["syscalls/sockets", "syscalls/other_doors"]),
    tried("N06", "AF_ALG", &["syscalls/sockets"]),
    tried("N07", "netlink to audit, netfilter, uevent, sock_diag", &["syscalls/sockets"]),
    tried("N08", "an abstract socket of the host", &["network/no_abstract_socket_of_the_host"]),
    tried("N09", "another container's proxy", &["proxy/others_are_absent"]),
    tried("N10", "replacing its own proxy's socket", &["proxy/directory_is_read_only"]),
    tried("N11", "one container's token at another's proxy", &["proxy/not_with_another"]),
    tried("N12", "the proxy after the end", &["proxy/after_the_end"]),
    tried("N13", "connections without end at its own proxy", &["proxy/many_connections"]),
    tried("N14", "a port that another container has", &["network/ports_of_its_own"]),
    tried("N15", "a descriptor sent to the proxy", &["proxy/passed_descriptor"]),
    // Files.
    tried("F01", "writing to the image", &["files/root_is_read_only"]),
    tried("F02", "writing to what the engine mounts: hosts, resolv.conf", &["files/nothing_else_is_writable"]),
    tried("F03", "the kernel's settings", &["files/kernel_settings"]),
    tried("F04", "control groups, uevent_helper", &["files/control_groups"]),
    tried("F05", "what tells of the host: kcore, keys, interrupts, firmware", &["files/kernel_secrets"]),
    tried("F06", "where in memory the kernel is", &["syscalls/kernel"]),
    tried("F07", "where the engine has put its control group", &["files/own_control_group"]),
    tried("F08", "a symbolic link in a read-only bind", &["proxy/directory_is_read_only"]),
    tried("F09", "a mount's source that is written in another way, or leads elsewhere", &["refusal/proxy_paths", "workspace/no_detours"]),
    tried("F10", "a mount's source that is the engine's socket or a system directory", &["refusal/proxy_paths", "workspace/no_place_of_others"]),
    tried("F12", "a mount's source that is not there", &["refusal/proxy_paths", "workspace/not_made"]),
    tried("F13", "a mount's source that is swapped after the check", &["workspace/not_swapped", "workspace/not_a_link_later"]),
    tried("F14", "hard links and setuid files in a workspace", &["transfer/nothing_but_data_comes_out", "workspace/belongs_to_its_owner", "workspace/nothing_gets_out"]),
    tried("F15", "links, devices, odd names and files without end in what is exported", &["transfer/no_more_than_asked", "transfer/nothing_but_data_comes_out"]),
    // Credentials.
    tried("C01", "the token in the engine's records", &["init/engine_holds_no_secret"]),
    tried("C02", "the token in process 1", &["init/hidden_and_unharmed"]),
    tried("C04", "reserved variables in any case, from the request and the image", &["image/environment", "refusal/reserved_environment"]),
    tried("C05", "impossible variables", &["refusal/impossible_environment"]),
    tried("C06", "a token after its container's end, however that came", &["tokens/revoked_at_exit", "tokens/revoked_by_a_kill", "tokens/revoked_at_the_deadline", "tokens/revoked_after_a_failed_spawn", "tokens/revoked_when_it_vanished"]),
    tried("C07", "guessing a token", &["tokens/opens_its_own_only"]),
    tried("C08", "a token in what is printed", &["tokens/never_shown"]),
    // Validation.
    tried("V02", "an allowed image in other words", &["refusal/names_of_one_image"]),
    tried("V03", "what is no image reference", &["refusal/impossible_images"]),
    tried("V04", "an image with an allowed one's name elsewhere", &["refusal/names_alike"]),
    tried("V05", "impossible memory", &["refusal/impossible_limits"]),
    tried("V07", "impossible CPU", &["refusal/impossible_limits"]),
    tried("V08", "impossible numbers of processes", &["refusal/impossible_limits"]),
    tried("V09", "impossible timeouts", &["refusal/impossible_limits"]),
    tried("V10", "impossible commands", &["failure/no_such_command", "refusal/impossible_commands"]),
    elsewhere("V11", "impossible ids", "a `ContainerId` can hold no other: `an_id_has_one_spelling` in clawbox-types"),
    tried("V12", "a task of 8 MB", &["refusal/long_task"]),
    tried("V13", "impossible users, root", &["refusal/configurations"]),
    tried("V14", "impossible scratch space", &["refusal/configurations"]),
    tried("V15", "a bind's path with the characters of a mount's grammar", &["proxy/odd_paths"]),
    tried("V16", "two spawns with one id", &["identity/taken_by_a_live_container", "identity/taken_at_the_engine", "identity/two_spawns_at_once"]),
    // Lifecycle.
    tried("L04", "three kills at once", &["kill/three_at_once"]),
    tried("L05", "a kill while another one waits", &["kill/during_grace"]),
    tried("L06", "a kill of what is stopped", &["kill/of_the_stopped"]),
    elsewhere("L09", "an engine that is restarted", "no suite may restart an engine that others use: clawbox-backend-podman's `a_run_outlives_its_service` restarts one of its own, and `cargo xtask chaos` kills, stops and restarts both engines"),
    elsewhere("L11", "a manager that is killed", "the suite is the process that would be killed: clawbox's `what_a_killed_clawbox_leaves_is_an_orphan` kills another, `cargo xtask chaos` many, and the backends' `what_a_killed_process_leaves_is_adopted` takes its containers over"),
    tried("L12", "an engine that is missing, hangs or talks nonsense", &["engine/unavailable", "engine/hung"]),
    elsewhere("L13", "a full disk at the engine", "no suite may fill the disk of an engine that others use: `cargo xtask chaos` fills that of one of its own"),
    tried("L14", "a clock that is set", &["deadline/of_another_day"]),
    tried("L15", "an end before anyone looks", &["lifecycle/exit_before_anyone_looks"]),
    tried("L16", "every exit code, and signals", &["exit/own_codes", "exit/signals"]),
    tried("L18", "the last bytes of output", &["output/nothing", "output/without_final_newline"]),
    tried("L19", "output while running, after a kill, twice", &["output/while_running", "output/any_number_of_times", "output/after_a_kill"]),
    tried("L20", "a backend dropped with live containers", &["lifecycle/dropped_backend"]),
    // Several processes.
    tried("P02", "a dead process' containers", &["orphans/reaped_once"]),
    tried("P03", "somebody else's container with labels like ours", &["orphans/foreign_untouched", "image/labels_of_clawbox"]),
    tried("P04", "a container that is being created", &["orphans/newborn_untouched"]),
    tried("P05", "an owner that cannot be told", &["orphans/unknown_owner_untouched"]),
    tried("P06", "two reapers at once", &["orphans/two_reapers"]),
    tried("P07", "a reaper at an engine that is down", &["orphans/reaper_survives"]),
    tried("P08", "cleaning up what somebody reads", &["output/during_cleanup"]),
    tried("P09", "many that have ended", &["lifecycle/many_ended"]),
];

/// What these cases say of the catalogue. A row of which not all cases are among them is left out; what is proven
/// elsewhere is told where none is.
pub(crate) fn judged(cases: &[CaseReport]) -> Vec<EntryReport> {
    let found = |id: &str| cases.iter().find(|case| case.id == id);
    let is_run = |entry: &Entry| match entry.proof {
        Proof::Cases(ids) => ids.iter().all(|id| found(id).is_some()),
        Proof::Elsewhere(_) => true,
    };
    let whole = CATALOGUE.iter().all(is_run);
    let told = CATALOGUE.iter().filter_map(|entry| {
        let (outcome, cases) = match entry.proof {
            Proof::Cases(ids) => {
                let reports = ids.iter().map(|id| found(id)).collect::<Option<Vec<_>>>()?;
                (worst(&reports), ids)
            }
            Proof::Elsewhere(why) if whole => {
                let why = format!("not for this suite: {why}");
                (Outcome::Skipped { why }, [].as_slice())
            }
            Proof::Elsewhere(_) => return None,
        };
        Some(EntryReport {
            id: entry.id.to_owned(),
            tried: entry.tried.to_owned(),
            cases: cases.iter().map(|&id| id.to_owned()).collect(),
            outcome,
        })
    });
    told.collect()
}

/// A row has passed where all of its cases have.
fn worst(cases: &[&CaseReport]) -> Outcome {
    let rank = |case: &&&CaseReport| match case.outcome {
        Outcome::Failed { .. } => 0,
        Outcome::NotRun { .. } => 1,
        Outcome::Skipped { .. } => 2,
        Outcome::Passed => 3,
    };
    let worst = cases.iter().min_by_key(rank);
    worst.map_or(Outcome::Passed, |case| match &case.outcome {
        // Its own words stand with the case.
        Outcome::Failed { .. } => Outcome::Failed {
            message: case.id.clone(),
        },
        other => other.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{case::Case, cases::cases};
    use std::collections::BTreeSet;

    /// `(E01, N04 to N07)` at a title's end, as ids.
    fn ids_of(case: &Case) -> BTreeSet<String> {
        let (_, ids) = case
            .title()
            .trim_end_matches(')')
            .rsplit_once('(')
            .unwrap_or_default();
        let is_id = |word: &str| {
            let digits = word.get(1..).is_some_and(|rest| rest.parse::<u8>().is_ok());
            word.len() == 3 && digits && word.starts_with(|first: char| first.is_ascii_uppercase())
        };
        let parts = ids.split(", ").filter(|part| part.split(" to ").all(is_id));
        let listed = parts.flat_map(|part| {
            let (first, last) = part.split_once(" to ").unwrap_or((part, part));
            let number = |id: &str| id[1..].parse::<u8>().expect("digits");
            let group = first[..1].to_owned();
            (number(first)..=number(last)).map(move |number| format!("{group}{number:02}"))
        });
        listed.collect()
    }

    #[test]
    fn every_row_is_there_once_and_has_a_proof_or_a_reason() {
        let ids: BTreeSet<&str> = CATALOGUE.iter().map(|entry| entry.id).collect();
        assert_eq!(ids.len(), CATALOGUE.len());
        for entry in CATALOGUE {
            let words = match entry.proof {
                Proof::Cases(cases) => cases.len(),
                Proof::Elsewhere(why) => why.len(),
            };
            assert!(words > 0 && !entry.tried.is_empty(), "{}", entry.id);
        }
    }

    #[test]
    fn titles_and_the_catalogue_tell_the_same() {
        let mut by_titles = BTreeSet::new();
        for case in cases() {
            by_titles.extend(ids_of(case).into_iter().map(|id| (id, case.id())));
        }
        let mut by_catalogue = BTreeSet::new();
        for entry in CATALOGUE {
            if let Proof::Cases(ids) = entry.proof {
                by_catalogue.extend(ids.iter().map(|id| (entry.id.to_owned(), *id)));
            }
        }
        let only = |a: &BTreeSet<_>, b: &BTreeSet<_>| a.difference(b).cloned().collect::<Vec<_>>();
        let titles_only = only(&by_titles, &by_catalogue);
        assert!(
            titles_only.is_empty(),
            "only by the titles: {titles_only:?}"
        );
        // One of these may be no case at all.
        let catalogue_only = only(&by_catalogue, &by_titles);
        assert!(
            catalogue_only.is_empty(),
            "only by the catalogue: {catalogue_only:?}"
        );
    }

    fn report(id: &str, outcome: Outcome) -> CaseReport {
        CaseReport {
            id: id.to_owned(),
            area: String::new(),
            title: String::new(),
            outcome,
            millis: 0,
        }
    }

    #[test]
    fn a_row_is_as_good_as_the_worst_of_its_cases() {
        let why = || Outcome::Skipped {
            why: "hidden".to_owned(),
        };
        let two = |second| {
            let cases = [
                report("exit/own_codes", Outcome::Passed),
                report("exit/signals", second),
            ];
            judged(&cases)
        };
        let told = |second| two(second)[0].outcome.clone();
        assert_eq!(
            two(Outcome::Passed).len(),
            1,
            "only one row has all of its cases here"
        );
        assert_eq!(two(Outcome::Passed)[0].id, "L16");
        assert_eq!(told(Outcome::Passed), Outcome::Passed);
        assert_eq!(told(why()), why());
        let failed = told(Outcome::Failed {
            message: "no".to_owned(),
        });
        assert_eq!(
            failed,
            Outcome::Failed {
                message: "exit/signals".to_owned()
            }
        );
    }

    #[test]
    fn the_whole_run_tells_every_row() {
        let all: Vec<_> = cases()
            .map(|case| report(case.id(), Outcome::Passed))
            .collect();
        let told = judged(&all);
        assert_eq!(told.len(), CATALOGUE.len());
        let skipped = told.iter().filter(|row| row.outcome != Outcome::Passed);
        assert!(skipped.clone().all(|row| row.cases.is_empty()));
        assert!(skipped.count() > 0);
    }
}
