//! `cargo xtask picture`: what `clawbox doctor` and `clawbox run` print on a real Docker, drawn as a terminal for the README.

use std::fmt::Write as _;
use std::fs;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::consent::Consent;
use crate::engines::session::Session;
use crate::image::{FIXTURE_IMAGE, Fixture};
use crate::interrupt;
use crate::say::say;
use crate::workspace::{self, cargo};

const FILE: &str = "docs/terminal.svg";
/// How wide the terminal is.
const COLUMNS: usize = 96;
/// Where most hosts have the engine.
const USUAL_ENDPOINT: &str = "unix:///run/docker.sock";

/// In pixels, of a font of 13.
const CHARACTER: usize = 8;
const LINE: usize = 18;
const MARGIN: usize = 16;

pub(crate) fn run(consent: Consent) -> Result<()> {
    interrupt::note()?;
    let session = Session::begin_with_any_docker(consent)?;
    let shown = show(&session, consent);
    session.end()?;
    let file = workspace::root()?.join(FILE);
    fs::write(&file, drawn(&shown?)).with_context(|| format!("write {}", file.display()))?;
    say!("wrote {FILE}");
    Ok(())
}

/// A terminal's lines: commands begin with a prompt.
fn show(session: &Session, consent: Consent) -> Result<Vec<String>> {
    Fixture::build(consent)?.import(session)?;
    workspace::run(&mut cargo(["build", "-p", "clawbox", "--bin", "clawbox"])?)
        .context("build the clawbox command")?;
    let clawbox = workspace::root()?.join("target/debug/clawbox");
    let endpoint = session.endpoint.to_string();
    let ask = |args: &[&str]| -> Result<(String, i32)> {
        let output = Command::new(&clawbox)
            .args(args)
            .env("CLAWBOX_BACKEND", "docker")
            .env("DOCKER_HOST", &endpoint)
            .env_remove("CLAWBOX_CONFIG")
            .output()
            .context("start the clawbox command")?;
        let code = output.status.code().context("clawbox was ended")?;
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text).replace(&endpoint, USUAL_ENDPOINT);
        Ok((text, code))
    };

    let mut lines = vec!["$ clawbox doctor".to_owned()];
    let (found, code) = ask(&["doctor"])?;
    ensure!(code == 0, "clawbox doctor ended with {code}: {found}");
    // The advisories are a page of their own.
    let (found, _) = found
        .split_once("  ready\n")
        .with_context(|| format!("no engine is ready: {found}"))?;
    let told = found
        .lines()
        .filter(|line| !line.contains("warns: "))
        .map(without_build);
    lines.extend(told);
    lines.extend(["  ready", "  …", ""].map(str::to_owned));

    let image = ["--image", FIXTURE_IMAGE];
    let script = "id; touch /x; exit 7";
    let commands: [(String, Vec<&str>, i32); 2] = [
        (
            format!("$ clawbox run --image {FIXTURE_IMAGE} -- sh -c '{script}'"),
            ["run"]
                .into_iter()
                .chain(image)
                .chain(["--", "sh", "-c", script])
                .collect(),
            7,
        ),
        (
            format!("$ clawbox run --image {FIXTURE_IMAGE} --timeout 1s -- sleep 60"),
            ["run"]
                .into_iter()
                .chain(image)
                .chain(["--timeout", "1s", "--", "sleep", "60"])
                .collect(),
            124,
        ),
    ];
    for (typed, args, expected) in commands {
        let (printed, code) = ask(&args)?;
        ensure!(code == expected, "{typed}: ended with {code}: {printed}");
        lines.push(typed);
        lines.extend(printed.lines().map(str::to_owned));
        lines.push("$ echo $?".to_owned());
        lines.push(code.to_string());
    }
    Ok(lines)
}

/// A kernel is told without what only this host's build has.
fn without_build(line: &str) -> String {
    match line.split_once("kernel ") {
        Some((before, rest)) => {
            let end = rest.find([',', ' ']).unwrap_or(rest.len());
            let (kernel, after) = rest.split_at(end);
            let release = kernel.split('-').next().unwrap_or(kernel);
            format!("{before}kernel {release}{after}")
        }
        None => line.to_owned(),
    }
}

fn drawn(lines: &[String]) -> String {
    let rows: Vec<(bool, String)> = lines.iter().flat_map(|line| rows(line)).collect();
    let width = COLUMNS * CHARACTER + 2 * MARGIN;
    let height = rows.len() * LINE + 2 * MARGIN;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace\" font-size=\"13\">\n\
         <title>clawbox doctor and clawbox run in a terminal</title>\n\
         <rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"#0d1117\"/>\n"
    );
    for (number, (typed, text)) in rows.iter().enumerate() {
        let y = MARGIN + number * LINE + LINE * 3 / 4;
        let (colour, weight) = match typed {
            true => ("#7ee787", " font-weight=\"bold\""),
            false => ("#d0d7de", ""),
        };
        if !text.is_empty() {
            // A string takes all that is written to it.
            let _ = writeln!(
                svg,
                "<text x=\"{MARGIN}\" y=\"{y}\" fill=\"{colour}\"{weight} xml:space=\"preserve\">{}</text>",
                escaped(text)
            );
        }
    }
    svg.push_str("</svg>\n");
    svg
}

/// A line as a terminal breaks it, and whether it was typed.
fn rows(line: &str) -> Vec<(bool, String)> {
    let typed = line.starts_with("$ ");
    let characters: Vec<char> = line.chars().collect();
    let pieces = characters.chunks(COLUMNS).map(|it| it.iter().collect());
    let pieces: Vec<String> = match characters.is_empty() {
        true => vec![String::new()],
        false => pieces.collect(),
    };
    pieces.into_iter().map(|piece| (typed, piece)).collect()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_broken_where_a_terminal_breaks_it_and_means_itself() {
        let svg = drawn(&["$ a <b> & c".to_owned(), "x".repeat(COLUMNS + 1)]);
        assert!(
            svg.contains("bold\" xml:space=\"preserve\">$ a &lt;b&gt; &amp; c</text>"),
            "{svg}"
        );
        assert_eq!(svg.matches("<text ").count(), 3, "{svg}");
        assert!(svg.contains(">x</text>"), "{svg}");
    }

    #[test]
    fn a_kernel_is_told_without_its_build() {
        let line = without_build("  stands on kernel 6.1.0-9-amd64, runc 1.1.5+ds1");
        assert_eq!(line, "  stands on kernel 6.1.0, runc 1.1.5+ds1");
        assert_eq!(without_build("  ready"), "  ready");
    }
}
