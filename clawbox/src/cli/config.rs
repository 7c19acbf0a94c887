//! `clawbox config`: what is in a settings file, and what may be.

use super::{say::Say, status};
use clawbox::Config;
use std::path::PathBuf;

const EXAMPLES: &str = "\
Options and the environment (CLAWBOX_BACKEND) come before the file, which is used where
--config or CLAWBOX_CONFIG names it, and is looked for nowhere.
Examples:
  clawbox config check clawbox.toml
  clawbox --config clawbox.toml run -- sh -c 'id; exit 7'
  clawbox config schema > clawbox.schema.json";

#[derive(Debug, clap::Subcommand)]
#[command(after_help = EXAMPLES)]
pub(crate) enum Action {
    /// Say what is wrong with a file; exit status 0 where nothing is, 1 otherwise
    Check {
        /// The file
        file: PathBuf,
    },
    /// Print the JSON schema of the file
    Schema,
}

impl Action {
    pub(crate) fn execute(&self, say: Say) -> u8 {
        match self {
            Self::Check { file } => match Config::load(file) {
                Ok(_) => {
                    say.note(&format!("{}: accepted", file.display()));
                    status::OK
                }
                Err(error) => {
                    say.error(&error);
                    status::FAILED
                }
            },
            Self::Schema => {
                super::print(&schema());
                status::OK
            }
        }
    }
}

fn schema() -> String {
    format!("{:#}\n", schemars::schema_for!(Config).to_value())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clawbox::ContainerSecurityConfig;

    const SCHEMA: &str = include_str!("../../../docs/clawbox.schema.json");
    const PAGE: &str = include_str!("../../../docs/CONFIG.md");

    #[test]
    fn the_schema_in_docs_is_this_one() {
        let how = "clawbox config schema > docs/clawbox.schema.json";
        assert!(SCHEMA == schema(), "out of date: {how}");
    }

    #[test]
    fn the_page_has_every_key_with_its_default() {
        let file = PAGE.split("```toml\n").nth(1).expect("a file");
        let file = file.split("```").next().expect("its end");
        let config: Config = file.parse().expect("accepted");
        let mut whole = Config::default();
        whole.security = Some(ContainerSecurityConfig::default());
        assert_eq!(config, whole);
        let schema = schemars::schema_for!(Config).to_value();
        let tables = [
            &schema,
            &schema["$defs"]["ContainerSecurityConfig"],
            &schema["$defs"]["ResourceLimits"],
        ];
        for table in tables {
            let keys = table["properties"].as_object().expect("keys");
            for key in keys.keys() {
                let is_there =
                    file.contains(&format!("{key} = ")) || file.contains(&format!("[{key}]"));
                assert!(is_there, "{key}");
            }
        }
    }
}
