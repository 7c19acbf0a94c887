//! `cargo xtask matrix`: the conformance suite on every engine there is, as one page.

mod guest;
mod page;
mod report;
mod suite;

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use clap::{Args, ValueEnum};

use crate::consent::Consent;
use crate::engines::Service;
use crate::engines::release::Release;
use crate::engines::session::Session;
use crate::image::Fixture;
use crate::interrupt;
use crate::say::say;
use crate::workspace::root;
use page::Column;

const MOCK: &str = "mock";

#[derive(Args, Debug)]
pub(crate) struct Options {
    /// The engines of the host's packages alone, or those of newer releases too
    #[arg(long, value_enum, default_value_t = Engines::Host)]
    engines: Engines,
    /// Install missing packages, download newer ones and make the rootless engine's user, without asking
    #[arg(long)]
    yes: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Engines {
    Host,
    All,
}

impl Engines {
    fn releases(self) -> &'static [Release] {
        match self {
            Self::Host => &[Release::Host],
            Self::All => &Release::ALL,
        }
    }
}

/// Runs the suite everywhere and rewrites the page. An engine that is not there keeps its column.
pub(crate) fn run(options: &Options) -> Result<()> {
    let path = path()?;
    let old = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
    let mut columns = vec![suite::on_mock(MOCK)?];
    interrupt::note()?;
    let mut sessions = Vec::new();
    let measured = measure(options, &old, &mut sessions, &mut columns);
    // The last one first: what they share is taken away by the one that found it absent.
    let ended: Vec<Result<()>> = sessions.into_iter().rev().map(Session::end).collect();
    measured?;
    ended.into_iter().collect::<Result<()>>()?;
    if interrupt::came() {
        bail!("interrupted: {} is left as it was", path.display());
    }
    fs::write(&path, page::page(&columns)).with_context(|| format!("write {}", path.display()))?;
    say!("wrote {}", path.display());
    Ok(())
}

/// A column for each engine; those that were started for it are noted.
fn measure(
    options: &Options,
    old: &str,
    sessions: &mut Vec<Session>,
    columns: &mut Vec<Column>,
) -> Result<()> {
    let consent = Consent::new(options.yes);
    let fixture = Fixture::build(consent)?;
    for service in Service::all()? {
        let name = service.name();
        let wanted = options.engines.releases().contains(&service.release);
        let column = match wanted {
            true => on_engine(&service, &fixture, consent, sessions),
            false => Ok(page::kept(old, &name)),
        };
        columns.push(column.unwrap_or_else(|why| {
            eprintln!("{name} was not run, and its column is kept: {why:#}");
            page::kept(old, &name)
        }));
    }
    columns.push(guest::column(&root()?, old)?);
    Ok(())
}

/// The column of the engine that the tests' variable names, or else of one of ours.
fn on_engine(
    service: &Service,
    fixture: &Fixture,
    consent: Consent,
    sessions: &mut Vec<Session>,
) -> Result<Column> {
    if interrupt::came() {
        bail!("interrupted");
    }
    if service.release == Release::Host
        && let Ok(host) = std::env::var(service.kind.variable())
    {
        return suite::on_host(service, &host);
    }
    let session = Session::begin_of(service.kind, service.release, consent)?;
    let host = session.endpoint.to_string();
    let imported = fixture.import(&session);
    sessions.push(session);
    imported?;
    suite::on_ours(service, &host)
}

/// Whether the page tells what the suite on the mock says today.
pub(crate) fn check() -> Result<()> {
    let path = path()?;
    let page = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
    if page::column(&page, MOCK) != suite::on_mock(MOCK)? {
        bail!(
            "{} is not what the mock does today: rewrite it with `cargo xtask matrix`",
            path.display()
        );
    }
    Ok(())
}

fn path() -> Result<PathBuf> {
    Ok(root()?.join("docs/CONFORMANCE.md"))
}
