//! Engines whose containers run under something weaker than was planned, and whose inspections repeat the plan.

use crate::sabotage::{How, Sabotage};
use clawbox_containers::{
    aspects::{Bind, Init, Ipc, Network, Resolver, Seccomp, Ulimit},
    plan::PlanSpec,
};
use clawbox_types::EnvValue;
use std::path::Path;

const fn plan(id: &'static str, breaks: &'static str, weaken: fn(&mut PlanSpec)) -> Sabotage {
    Sabotage::new(id, breaks, How::Plan(weaken))
}

pub(super) const TABLE: &[Sabotage] = &[
    plan(
        "policy/root",
        "the command is root, to whom /dev belongs",
        |p| p.user = "0:0".to_owned(),
    ),
    plan(
        "policy/root_group",
        "the command is in the group of root",
        |p| p.user = p.user.split(':').next().unwrap_or_default().to_owned() + ":0",
    ),
    plan(
        "policy/always_1000",
        "the command is user 1000, whatever the operator set",
        |p| p.user = "1000:1000".to_owned(),
    ),
    plan("policy/writable_root", "the root is writable", |p| {
        p.read_only_root = false
    }),
    plan(
        "policy/capability_added",
        "the container has one more capability",
        |p| {
            p.capabilities.added.insert("SYS_ADMIN".to_owned());
        },
    ),
    plan(
        "policy/capabilities_kept",
        "no capability is dropped",
        |p| p.capabilities.dropped.clear(),
    ),
    plan("policy/new_privileges", "no-new-privileges is off", |p| {
        p.no_new_privileges = false
    }),
    plan("policy/unconfined", "there is no system call filter", |p| {
        p.seccomp = Seccomp::Other("unconfined".to_owned())
    }),
    plan(
        "policy/all_syscalls",
        "the system call filter lets everything through",
        |p| p.seccomp = profile(r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[]}"#),
    ),
    plan(
        "policy/relatives",
        "the system call filter takes calls of 32-bit programs for those of their number",
        |p| {
            if let Seccomp::Profile { json, .. } = &mut p.seccomp {
                let relatives = r#""subArchitectures":["SCMP_ARCH_X86","SCMP_ARCH_X32"]"#;
                *json = json.replace(r#""subArchitectures":[]"#, relatives);
            }
        },
    ),
    plan(
        "policy/fewer_syscalls",
        "the system call filter also refuses memfd_create, which runtimes rely on",
        |p| {
            if let Seccomp::Profile { json, .. } = &mut p.seccomp {
                *json = json.replace("\"memfd_create\"", "\"no_such_call\"");
            }
        },
    ),
    plan("policy/network", "the network is the host's", |p| {
        p.network = Network::Other("host".to_owned())
    }),
    plan("policy/pids", "the limit of processes is off", |p| {
        p.pids = u64::MAX
    }),
    plan("policy/few_pids", "the limit of processes is half", |p| {
        p.pids /= 2
    }),
    plan("policy/memory", "the memory limit is off", |p| {
        p.memory = u64::MAX
    }),
    plan(
        "policy/little_memory",
        "the memory limit is a quarter",
        |p| p.memory /= 4,
    ),
    plan("policy/swap", "there is as much swap as memory", |p| {
        p.memory_and_swap *= 2
    }),
    plan("policy/cpu", "the CPU quota is off", |p| p.cpu.quota_us = 0),
    plan("policy/cpu_shares", "the CPU weight is as usual", |p| {
        p.cpu_shares = 1024
    }),
    plan(
        "policy/exec_scratch",
        "scratch space is not noexec, and executable",
        |p| {
            p.tmpfs.0.values_mut().for_each(|o| {
                o.flags.remove("noexec");
            })
        },
    ),
    plan("policy/suid_scratch", "scratch space is not nosuid", |p| {
        p.tmpfs.0.values_mut().for_each(|o| {
            o.flags.remove("nosuid");
        })
    }),
    plan(
        "policy/read_only_scratch",
        "scratch space cannot be written",
        |p| {
            p.tmpfs.0.values_mut().for_each(|o| {
                o.flags.remove("rw");
                o.flags.insert("ro".to_owned());
            })
        },
    ),
    plan("policy/large_scratch", "scratch space has no size", |p| {
        p.tmpfs.0.values_mut().for_each(|o| o.size_bytes = 1 << 40)
    }),
    plan(
        "policy/many_files",
        "scratch space has no limit of files",
        |p| p.tmpfs.0.values_mut().for_each(|o| o.max_inodes = 1 << 40),
    ),
    plan(
        "policy/one_scratch",
        "only /tmp is scratch space, whatever the operator added",
        |p| p.tmpfs.0.retain(|path, _| path == "/tmp"),
    ),
    plan(
        "policy/more_scratch",
        "there is one more mount to write, which nobody asked for",
        |p| {
            let tmp = p.tmpfs.0.values().next().cloned();
            p.tmpfs.0.extend(tmp.map(|o| ("/data".to_owned(), o)));
        },
    ),
    plan(
        "policy/writable_binds",
        "what is bound can be written",
        |p| {
            p.mounts.0 = p
                .mounts
                .0
                .iter()
                .cloned()
                .map(|mut bind| {
                    bind.read_only = false;
                    bind
                })
                .collect()
        },
    ),
    plan(
        "policy/no_binds",
        "nothing is bound, not even the proxy's directory",
        |p| p.mounts.0.clear(),
    ),
    plan(
        "policy/etc_of_the_host",
        "there is one more mount to write, the host's /etc",
        |p| {
            let bind = Bind {
                source: "/etc".into(),
                target: "/host".to_owned(),
                read_only: false,
                noexec: false,
            };
            p.mounts.0.insert(bind);
        },
    ),
    plan(
        "policy/host_directory",
        "what is around a bound directory, such as another proxy, is where the host has it",
        |p| {
            let above = p
                .mounts
                .0
                .iter()
                .filter_map(|bind| bind.source.ancestors().nth(2).map(ToOwned::to_owned));
            let binds: Vec<_> = above
                .map(|source| Bind {
                    target: source.display().to_string(),
                    source,
                    read_only: true,
                    noexec: false,
                })
                .collect();
            p.mounts.0.extend(binds);
        },
    ),
    plan(
        "policy/proxy_for_all",
        "there is something at the proxy's place, whoever asked for one",
        |p| {
            let bind = Bind {
                source: "/etc/passwd".into(),
                target: "/run/clawbox/proxy.sock".to_owned(),
                read_only: true,
                noexec: false,
            };
            let place = Path::new("/run/clawbox");
            if p.mounts
                .0
                .iter()
                .all(|bind| Path::new(&bind.target) != place)
            {
                p.mounts.0.insert(bind);
            }
        },
    ),
    plan("policy/shared_memory", "there is a /dev/shm", |p| {
        p.ipc = Ipc::Other("private".to_owned())
    }),
    plan(
        "policy/processes_of_the_host",
        "processes are the host's",
        |p| p.namespaces.private_pid = false,
    ),
    plan(
        "policy/name_of_the_host",
        "the host name is the host's",
        |p| p.namespaces.private_uts = false,
    ),
    plan(
        "policy/control_groups_of_the_host",
        "control groups are seen as the host sees them",
        |p| p.namespaces.private_cgroup = false,
    ),
    plan("policy/no_ulimits", "no resource limit is set", |p| {
        p.ulimits.0.clear()
    }),
    plan(
        "policy/open_files",
        "the limit of open files is 4096",
        |p| {
            // More than an engine may have itself cannot be given.
            p.ulimits.0.insert("nofile".to_owned(), at_most(4096));
        },
    ),
    plan(
        "policy/file_size",
        "the limit of a file's size is off",
        |p| {
            p.ulimits.0.insert("fsize".to_owned(), at_most(u64::MAX));
        },
    ),
    plan("policy/core_dumps", "core dumps are allowed", |p| {
        p.ulimits.0.insert("core".to_owned(), at_most(u64::MAX));
    }),
    plan(
        "policy/oom_score",
        "the kernel takes the container no sooner than others",
        |p| p.oom_score = 0,
    ),
    plan(
        "policy/unmasked",
        "nothing of the kernel's is masked",
        |p| p.kernel_paths.masked.clear(),
    ),
    plan(
        "policy/writable_settings",
        "no setting of the kernel's is read-only",
        |p| p.kernel_paths.read_only.clear(),
    ),
    plan("policy/privileged", "the container is privileged", |p| {
        p.devices.privileged = true
    }),
    plan(
        "policy/privileged_root",
        "the container is privileged, and the command root",
        |p| {
            p.devices.privileged = true;
            p.user = "0:0".to_owned();
        },
    ),
    plan("policy/no_init", "the command is process 1", |p| {
        p.init = Init::None
    }),
    plan("policy/no_arguments", "the command has no arguments", |p| {
        p.command.argv.truncate(1)
    }),
    plan(
        "policy/argument_added",
        "the command has one more argument",
        |p| p.command.argv.push(String::new()),
    ),
    plan("policy/split_words", "arguments are split at spaces", |p| {
        p.command.argv = p
            .command
            .argv
            .iter()
            .flat_map(|word| word.split(' '))
            .map(str::to_owned)
            .collect()
    }),
    plan("policy/trimmed_arguments", "arguments are trimmed", |p| {
        p.command
            .argv
            .iter_mut()
            .for_each(|word| *word = word.trim().to_owned())
    }),
    plan(
        "policy/program_found",
        "the program among the arguments is told without its directory",
        |p| {
            if let Some(name) = p.command.argv[0].rsplit('/').next().map(str::to_owned) {
                p.command.argv[0] = name;
            }
        },
    ),
    plan(
        "policy/working_directory",
        "the working directory is /",
        |p| p.command.working_dir = "/".to_owned(),
    ),
    plan("policy/no_environment", "the environment is empty", |p| {
        p.environment.0.clear()
    }),
    plan("policy/home", "HOME is /root", |p| {
        p.environment.0.insert("HOME".to_owned(), value("/root"));
    }),
    plan(
        "policy/variable_added",
        "there is one more variable in the environment",
        |p| {
            p.environment.0.insert("EXTRA".to_owned(), value("x"));
        },
    ),
    plan(
        "policy/preload",
        "LD_PRELOAD is set in the environment",
        |p| {
            p.environment
                .0
                .insert("LD_PRELOAD".to_owned(), value("/tmp/x.so"));
        },
    ),
    plan(
        "policy/empty_variables",
        "empty variables are left out of the environment",
        |p| {
            p.environment.0.retain(|_, value| {
                value
                    .as_ref()
                    .is_none_or(|value| !value.as_str().is_empty())
            })
        },
    ),
    plan("policy/no_token", "the token is not given", |p| {
        p.environment.0.remove("CLAWBOX_PROXY_TOKEN");
    }),
    plan("policy/other_token", "another token is given", |p| {
        p.environment
            .0
            .insert("CLAWBOX_PROXY_TOKEN".to_owned(), value("00"));
    }),
    plan(
        "policy/other_host_name",
        "the host name is the container's id",
        |p| p.identity.hostname.clone_from(&p.identity.name),
    ),
    plan(
        "policy/name_server",
        "the name servers are the host's",
        |p| p.identity.resolver = Resolver::Other("192.0.2.53".to_owned()),
    ),
    plan(
        "policy/other_label",
        "a label tells of another policy",
        |p| {
            let label = ("clawbox.policy".to_owned(), "none".to_owned());
            p.identity.labels.extend([label]);
        },
    ),
];

fn profile(json: &str) -> Seccomp {
    Seccomp::Profile {
        name: "sabotaged".to_owned(),
        json: json.to_owned(),
    }
}

fn at_most(limit: u64) -> Ulimit {
    Ulimit {
        soft: limit,
        hard: limit,
    }
}

fn value(text: &str) -> Option<EnvValue> {
    text.parse().ok()
}
