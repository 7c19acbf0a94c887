//! What the options of `clawbox run` come to.

use super::*;
use clap::{CommandFactory, Parser};
use clawbox::{
    ContainerSecurityConfig, InitProgram, PolicyItem, PullPolicy, ResourceLimits,
    containers::{policy::SecurityPolicy, seccomp::SeccompProfileName},
    types::DEFAULT_AGENT_IMAGE,
};

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    run: Args,
}

fn parse(args: &[&str]) -> Args {
    let line = [&["run"], args, &["true"]].concat();
    Cli::try_parse_from(line).expect("accepted").run
}

fn security(args: &Args, config: &Config) -> ContainerSecurityConfig {
    args.sandbox
        .options(config, &Pull::new("a", Say::default()))
        .security
}

#[test]
fn without_options_the_limits_are_the_librarys() {
    let args = parse(&[]);
    let request = args.request(&Config::default()).unwrap();
    let limits = ResourceLimits::default();
    assert_eq!(request.capabilities.resources, limits);
    let policy = security(&args, &Config::default());
    let mut library = ContainerSecurityConfig::default();
    library.max_timeout_ms = limits.timeout_ms;
    library.max_memory_mb = limits.memory_mb;
    library.max_output_bytes = limits.max_output_bytes;
    assert_eq!(policy, library);
}

#[test]
fn the_defaults_in_the_help_are_the_librarys() {
    let help = Cli::command().render_help().to_string();
    let told: Vec<_> = help.split("[default: ").skip(1).collect();
    let told: Vec<_> = told.iter().filter_map(|it| it.split(']').next()).collect();
    let limits = ResourceLimits::default();
    let policy = ContainerSecurityConfig::default();
    let [
        image,
        memory,
        cpus,
        pids,
        timeout,
        output,
        init,
        profile,
        pull,
    ] = told[..]
    else {
        panic!("{told:?}");
    };
    assert_eq!(image, DEFAULT_AGENT_IMAGE);
    assert_eq!(u64::from(values::memory(memory).unwrap()), limits.memory_mb);
    assert_eq!(u64::from(values::cpus(cpus).unwrap()), policy.cpu_millis);
    assert_eq!(u64::from(values::pids(pids).unwrap()), policy.pids);
    assert_eq!(values::timeout(timeout).unwrap().get(), limits.timeout_ms);
    let output = values::output(output).unwrap();
    assert_eq!(output.get(), limits.max_output_bytes);
    let args = parse(&["--init", init, "--profile", profile, "--pull", pull]);
    let chosen = security(&args, &Config::default());
    assert_eq!(chosen, security(&parse(&[]), &Config::default()));
}

#[test]
fn a_file_sets_what_no_option_does() {
    let config: Config = "[security]\ndefault_image = \"alpine\"\npids = 9\ninit = \"engine\"\n\
                          [limits]\nmemory_mb = 64\ntimeout_ms = 1000\npids = 8"
        .parse()
        .unwrap();
    let args = parse(&["--timeout", "2s"]);
    let request = args.request(&config).unwrap();
    assert_eq!(request.image.as_deref(), Some("alpine"));
    let limits = ResourceLimits::new(2000, 64).with_pids(8);
    assert_eq!(request.capabilities.resources, limits);
    assert_eq!(security(&args, &config), config.security.unwrap());
}

#[test]
fn a_files_policy_is_not_widened_but_by_name() {
    let config: Config = "[security]\npids = 9".parse().unwrap();
    let workspace = tempfile::tempdir().unwrap();
    let workspace = workspace.path().to_str().unwrap();
    let admit = |options: &[&str]| {
        let args = parse(options);
        let policy = SecurityPolicy::new(&security(&args, &config)).unwrap();
        policy.admit(&args.request(&config).unwrap()).err()
    };
    assert_eq!(admit(&["--pids", "9"]).map(|e| e.to_string()), None);
    for options in [
        ["--pids", "10"],
        ["--memory", "9g"],
        ["--workspace", workspace],
        ["--image", "busybox"],
    ] {
        assert!(admit(&options).is_some(), "{options:?}");
    }
    let allowed = admit(&["--image", "busybox", "--allow-image", "busybox"]);
    assert_eq!(allowed.map(|e| e.to_string()), None);
}

#[test]
fn the_ceilings_are_what_the_options_ask_for() {
    let line = "--memory 9g --cpus 3.5 --pids 4000 --timeout 25h --max-output 17m \
                --allow-image busybox --allow-degraded swap --pull never --init engine";
    let args = parse(&line.split_whitespace().collect::<Vec<_>>());
    let none = Config::default();
    let policy = SecurityPolicy::new(&security(&args, &none)).unwrap();
    let request = args.request(&none).unwrap().with_image("busybox");
    assert!(policy.admit(&request).is_ok());
    assert_eq!(policy.pull(), PullPolicy::Never);
    assert_eq!(policy.init(), InitProgram::Engine);
    assert!(policy.allow_degraded().contains(&PolicyItem::Swap));
}

#[test]
fn what_needs_one_controller_is_given_up_together() {
    use PolicyItem::{Cpu, CpuShares, Memory, Pids, Swap};
    for (given, expected) in [
        ("memory", &[Memory, Swap][..]),
        ("cpu", &[Cpu, CpuShares]),
        ("pids", &[Pids]),
        ("swap", &[Swap]),
    ] {
        let args = parse(&["--allow-degraded", given]);
        let allowed = security(&args, &Config::default()).allow_degraded;
        assert!(allowed.iter().eq(expected), "{given}: {allowed:?}");
    }
}

#[test]
fn each_profile_is_the_librarys_of_that_name() {
    for profile in SeccompProfileName::ALL {
        let name = profile.as_str().replace('_', "-");
        let args = parse(&["--profile", &name]);
        let security = security(&args, &Config::default());
        assert_eq!(security.seccomp_profile, profile);
    }
}

#[test]
fn no_variable_is_lost() {
    let args = parse(&["-e", "A=1", "-e", "B=", "-e", "A=2"]);
    assert!(args.request(&Config::default()).is_err());
}

#[test]
fn what_follows_the_command_is_the_commands() {
    let args = parse(&["ls", "--image", "x", "--", "-q"]);
    assert_eq!(args.command, ["ls", "--image", "x", "--", "-q", "true"]);
}
