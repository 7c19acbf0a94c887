//! The operator's settings from a TOML file: `clawbox.toml`.
//!
//! Its names are those of the types that they become. A key or a name that is not known is refused with the nearest one
//! that is, and what no run could use is found when the file is read.
//!
//! ```
//! use clawbox::Config;
//!
//! let config: Config = r#"
//!     backend = "podman"
//!
//!     [security]
//!     allowed_images = ["ghcr.io/acme/agents/"]
//!     default_image = "ghcr.io/acme/agents/runner:3"
//!     workspace_roots = ["/srv/agents"]
//!
//!     [limits]
//!     memory_mb = 1024
//! "#
//! .parse()?;
//! assert_eq!(config.limits.memory_mb, 1024);
//! let options = config.options(); // for `connect` or `find`
//! # assert_eq!(options.security.workspace_roots, [std::path::Path::new("/srv/agents")]);
//! # Ok::<(), clawbox::config::Problem>(())
//! ```

use crate::{
    Backend, Capabilities, ConnectOptions, ContainerError, ContainerSecurityConfig,
    ContainerSpawnRequest, ResourceLimits, Violation,
};
use clawbox_containers::policy::SecurityPolicy;
use serde::Deserialize;
use std::{
    fs, io,
    path::{Path, PathBuf},
    str::FromStr,
};
use thiserror::Error;

/// How alike two names must be, from 0 to 1, for one to be meant by the other.
const ALIKE: f64 = 0.8;

/// What a configuration file says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Config {
    /// Which engine. Without it the best that answers, and never the mock.
    pub backend: Option<Backend>,
    /// Where that engine is, such as `unix:///run/docker.sock`. Without it where the engine usually is.
    pub host: Option<String>,
    /// The operator's policy: no request gets more. Without it the library's is in force, and `clawbox run` allows what
    /// its own options ask for.
    pub security: Option<ContainerSecurityConfig>,
    /// The limits of a request that names none.
    pub limits: ResourceLimits,
}

/// Why a configuration file is not used.
#[derive(Debug, Error)]
#[error("{}: {problem}", path.display())]
#[non_exhaustive]
pub struct ConfigError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    #[source]
    pub problem: Problem,
}

/// What is wrong with a configuration.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Problem {
    /// The file cannot be read.
    #[error("cannot be read: {0}")]
    Unreadable(#[from] io::Error),
    /// It is no TOML, or has a key, a name or a type of value that is not known.
    #[error("line {line}, column {column}: {message}")]
    Malformed {
        /// The line, from 1.
        line: usize,
        /// The column, from 1, in characters.
        column: usize,
        /// What is there, and what would be accepted.
        message: String,
    },
    /// It has values that cannot be, or that contradict each other.
    #[error("{}", one_to_a_line(.0))]
    Refused(Vec<Violation>),
}

impl Config {
    /// Reads and checks a file.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming the file, and the first place that is malformed or all values that are refused.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, ConfigError> {
        let path = path.as_ref();
        let read = fs::read_to_string(path).map_err(Problem::from);
        read.and_then(|text| text.parse())
            .map_err(|problem| ConfigError {
                path: path.to_owned(),
                problem,
            })
    }

    /// How to connect under this configuration. A backend that it names is for [`connect`](crate::connect).
    #[must_use]
    pub fn options(&self) -> ConnectOptions {
        let mut options = ConnectOptions::new();
        options.endpoint.clone_from(&self.host);
        options.security = self.security.clone().unwrap_or_default();
        options
    }

    /// Everything that no request could come by: each value by itself, and the limits under the policy.
    fn violations(&self) -> Vec<Violation> {
        let capabilities = Capabilities::default().with_resources(self.limits.clone());
        let request = ContainerSpawnRequest::new("any", capabilities);
        let mut found = match &self.security {
            None => request.check().err().unwrap_or_default(),
            Some(security) => {
                match SecurityPolicy::new(security).and_then(|policy| policy.admit(&request)) {
                    Ok(_) => Vec::new(),
                    Err(
                        ContainerError::PolicyDenied { violations }
                        | ContainerError::InvalidRequest { violations },
                    ) => violations,
                    Err(other) => vec![Violation::new(
                        "security.default_image",
                        &security.default_image,
                        other.to_string(),
                    )],
                }
            }
        };
        for violation in &mut found {
            if let Some(name) = violation.field.strip_prefix("capabilities.resources.") {
                violation.field = format!("limits.{name}");
            }
        }
        found
    }
}

impl FromStr for Config {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Self, Problem> {
        let config: Self = toml::from_str(text).map_err(|error| malformed(&error, text))?;
        match config.violations() {
            violations if violations.is_empty() => Ok(config),
            violations => Err(Problem::Refused(violations)),
        }
    }
}

fn malformed(error: &toml::de::Error, text: &str) -> Problem {
    let at = error.span().map_or(0, |span| span.start);
    let before = text.get(..at).unwrap_or(text);
    let line = before.rsplit('\n').next().unwrap_or(before);
    let message = error.message();
    Problem::Malformed {
        line: before.matches('\n').count() + 1,
        column: line.chars().count() + 1,
        message: match nearest(message) {
            Some(name) => format!("{message}; did you mean `{name}`?"),
            None => message.to_owned(),
        },
    }
}

/// The known name that is meant by an unknown one. serde has both in its words, in backquotes, the unknown one first.
fn nearest(message: &str) -> Option<&str> {
    let is_name = message.starts_with("unknown field") || message.starts_with("unknown variant");
    let mut names = message.split('`').skip(1).step_by(2).filter(|_| is_name);
    let unknown = names.next()?;
    names
        .map(|name| (strsim::jaro_winkler(unknown, name), name))
        .filter(|(alike, _)| *alike >= ALIKE)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, name)| name)
}

fn one_to_a_line(violations: &[Violation]) -> String {
    let lines: Vec<_> = violations.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        text.parse::<Config>().expect_err(text).to_string()
    }

    #[test]
    fn an_empty_file_is_the_default() {
        assert_eq!("".parse::<Config>().unwrap(), Config::default());
    }

    #[test]
    fn an_unknown_name_is_refused_with_the_nearest() {
        for (text, place, meant) in [
            ("backend = \"podmann\"", "line 1, column 11", "podman"),
            ("\n\n[securty]", "line 3, column 2", "security"),
            (
                "[security]\nalowed_images = []",
                "line 2, column 1",
                "allowed_images",
            ),
            (
                "[security]\nallow_degraded = [\"memmory\"]",
                "line 2, column 19",
                "memory",
            ),
            ("[limits]\ntimeout = 1", "line 2, column 1", "timeout_ms"),
        ] {
            let message = refused(text);
            assert!(message.starts_with(place), "{message}");
            let meant = format!("did you mean `{meant}`?");
            assert!(message.ends_with(&meant), "{message}");
        }
        let message = refused("[limits]\nxyzzy = 1");
        assert!(message.contains("`memory_mb`") && !message.contains("did you mean"));
    }

    #[test]
    fn what_no_request_could_use_is_refused_at_once_and_by_its_place() {
        let text = "[security]\nuser = \"0:0\"\nmax_memory_mb = 1";
        let message = refused(text);
        for place in ["security.user", "security.max_memory_mb"] {
            assert!(message.contains(place), "{message}");
        }
        for (text, place) in [
            ("[limits]\npids = 1", "limits.pids"),
            ("[security]\nmax_memory_mb = 256", "limits.memory_mb"),
            ("[security]\nallowed_images = []", "security.default_image"),
        ] {
            let message = refused(text);
            assert!(message.starts_with(place), "{message}");
        }
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let error = Config::load("/nowhere/clawbox.toml").unwrap_err();
        assert!(error.to_string().starts_with("/nowhere/clawbox.toml: "));
    }
}
