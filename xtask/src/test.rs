//! `cargo xtask test`: the one test command.

use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use clap::{Args, ValueEnum};

use crate::chaos;
use crate::consent::{Consent, in_ci};
use crate::engines::session::Session;
use crate::engines::{Kind, Service, runner};
use crate::features;
use crate::image::Fixture;
use crate::interrupt;
use crate::matrix;
use crate::steps::Steps;
use crate::workspace::{self, cargo, run as done};

/// The tests of the rootless engine, which its user runs: the arguments of a `cargo test` for each. Their names are no
/// other package's, so that they are those which the workspace's tests have built.
const AS_ROOTLESS_USER: &[&[&str]] = &[
    &["--test", "rootless"],
    &["--test", "rootless_engine_init"],
    &["--test", "cli", "--", "podman/"],
];

#[derive(Args, Debug)]
pub(crate) struct Options {
    /// Fail when these engines cannot be had; CI=true requires all
    #[arg(long, value_name = "ENGINE", value_delimiter = ',')]
    require: Vec<Required>,
    /// Install missing packages, and make the rootless engine's user, without asking
    #[arg(long)]
    yes: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Required {
    Docker,
    Podman,
    PodmanRootless,
    PodmanRootful,
}

impl Required {
    fn kinds(self) -> &'static [Kind] {
        match self {
            Self::Docker => &[Kind::Docker],
            Self::Podman => &[Kind::PodmanRootless, Kind::PodmanRootful],
            Self::PodmanRootless => &[Kind::PodmanRootless],
            Self::PodmanRootful => &[Kind::PodmanRootful],
        }
    }
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let consent = Consent::new(options.yes);
    let required: Vec<Kind> = match in_ci() {
        true => Kind::ALL.to_vec(),
        false => {
            let named = options.require.iter().copied();
            named.flat_map(Required::kinds).copied().collect()
        }
    };
    interrupt::note()?;
    let mut steps = Steps::default();

    steps.step("formatting", || {
        done(&mut cargo(["fmt", "--all", "--check"])?)
    });
    steps.step("clippy", || {
        let args = ["clippy", "--workspace", "--all-targets", "--all-features"];
        done(cargo(args)?.args(["--", "-D", "warnings"]))
    });
    steps.step("documentation", || {
        let args = ["doc", "--workspace", "--no-deps", "--all-features"];
        done(cargo(args)?.env("RUSTDOCFLAGS", "-D warnings"))
    });

    let has_deny = cargo(["deny", "--version"]).is_ok_and(|mut deny| {
        let quiet = deny.stdout(Stdio::null()).stderr(Stdio::null());
        quiet.status().is_ok_and(|status| status.success())
    });
    match has_deny {
        true => steps.step("dependencies", || {
            // Advisories have to be fetched, which the workflow does.
            done(&mut cargo([
                "deny", "check", "licenses", "bans", "sources",
            ])?)
        }),
        false => steps.optional("dependencies", || {
            bail!("cargo-deny is not there: `cargo install --locked cargo-deny`")
        }),
    };

    let mut engines = Engines {
        sessions: Vec::new(),
        required,
    };
    for kind in Kind::ALL {
        let start = || Session::begin(kind, consent);
        let session = match engines.required.contains(&kind) {
            true => steps.step(kind.name(), start),
            false => steps.optional(kind.name(), start),
        };
        engines.sessions.extend(session);
    }
    // Without it the tests say so themselves.
    steps.step("fixture image", || {
        let fixture = Fixture::build(consent)?;
        let mut sessions = engines.sessions.iter();
        sessions.try_for_each(|session| fixture.import(session))
    });
    steps.step("tests", || {
        let args = ["test", "--workspace", "--all-features", "--no-fail-fast"];
        let kinds = [Kind::Docker, Kind::PodmanRootful];
        done(engines.tell(&mut cargo(args)?, &kinds))
    });
    steps.step("examples", examples);
    if !AS_ROOTLESS_USER.is_empty() && engines.session(Kind::PodmanRootless).is_some() {
        steps.step("tests, as the rootless user", || engines.test_as_user());
    }
    steps.step("conformance matrix", matrix::check);
    let own = |session: &&Session| {
        Service::of_workspace(session.kind).is_ok_and(|own| own.endpoint() == session.endpoint)
    };
    let chaotic = [Kind::Docker, Kind::PodmanRootless].map(|kind| engines.session(kind));
    let chaotic = chaotic.into_iter().flatten().filter(own);
    let chaotic: Vec<Kind> = chaotic.map(|session| session.kind).collect();
    for session in engines.sessions {
        steps.last(&format!("{} stopped", session.kind.name()), || {
            session.end()
        });
    }

    if !chaotic.is_empty() {
        steps.step("chaos", || chaos::short(&chaotic, consent));
    }

    // Debug builds stop at an overflow that release builds would carry on with.
    steps.step("policy tests, unchecked", || {
        let crates = ["-p", "clawbox-types", "-p", "clawbox-containers"];
        done(cargo(["test", "--profile", "unchecked"])?.args(crates))
    });
    steps.step("feature combinations", features::check);
    steps.finish()
}

/// Each runs to its end: on the mock where it finds no engine.
fn examples() -> Result<()> {
    // As the tests have built them already.
    let args = ["build", "--quiet", "--workspace", "--all-features"];
    done(cargo(args)?.arg("--examples"))?;
    let built = std::env::current_exe().context("find this program")?;
    let built = built.with_file_name("examples");
    let root = workspace::root()?;
    let folder = root.join("clawbox/examples");
    for entry in std::fs::read_dir(&folder).with_context(|| format!("list {}", folder.display()))? {
        let path = entry?.path();
        let name = path.file_stem();
        let name = name.with_context(|| format!("{} is no example", path.display()))?;
        done(Command::new(built.join(name)).current_dir(&root))?;
    }
    Ok(())
}

/// The engines that the tests run on.
struct Engines {
    sessions: Vec<Session>,
    required: Vec<Kind>,
}

impl Engines {
    fn session(&self, kind: Kind) -> Option<&Session> {
        self.sessions.iter().find(|session| session.kind == kind)
    }

    /// Tells a run of tests of these engines and of no other, and which of them must not be missing.
    fn tell<'a>(&self, tests: &'a mut Command, kinds: &[Kind]) -> &'a mut Command {
        for kind in Kind::ALL {
            let session = self.session(kind).filter(|_| kinds.contains(&kind));
            match session {
                Some(session) => tests.env(kind.variable(), session.endpoint.to_string()),
                None => tests.env_remove(kind.variable()),
            };
        }
        let required = kinds.iter().filter(|kind| self.required.contains(kind));
        let required: Vec<&str> = required.map(|kind| kind.name()).collect();
        tests.env("CLAWBOX_REQUIRE", required.join(","))
    }

    fn test_as_user(&self) -> Result<()> {
        let runner = runner::as_user(&Service::of_workspace(Kind::PodmanRootless)?)?;
        for args in AS_ROOTLESS_USER {
            let all = ["test", "--workspace", "--all-features", "--no-fail-fast"];
            let mut tests = cargo(all)?;
            if !runner.is_empty() {
                tests.args(["--config", &runner::as_setting(&runner)]);
            }
            done(self.tell(tests.args(*args), &[Kind::PodmanRootless]))?;
        }
        Ok(())
    }
}
