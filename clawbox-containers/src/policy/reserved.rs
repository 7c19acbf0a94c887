//! Environment keys that nobody but clawbox sets.

/// What the loader and the interpreters read before the program's first own instruction, and so would run
/// code, or load code, of the caller's choice. Compared in capitals.
///
/// Sources: ld.so(8), bash(1), dash(1), python(1), node(1), perlrun(1), ruby(1), java(1), php(1), lua(1), ghc, R.
const START_UP_HOOKS: [&str; 23] = [
    "BASH_ENV",
    "BASHOPTS",
    "ENV",
    "GCONV_PATH",
    "GLIBC_TUNABLES",
    "JAVA_TOOL_OPTIONS",
    "JDK_JAVA_OPTIONS",
    "_JAVA_OPTIONS",
    "LUA_INIT",
    "NODE_OPTIONS",
    "PERL5DB",
    "PERL5OPT",
    "PHPRC",
    "PHP_INI_SCAN_DIR",
    "PROMPT_COMMAND",
    "PS4",
    "PYTHONHOME",
    "PYTHONINSPECT",
    "PYTHONSTARTUP",
    "RUBYOPT",
    "R_PROFILE",
    "R_PROFILE_USER",
    "SHELLOPTS",
];

/// Why `key` is reserved, if it is, whatever the case of its letters.
pub(super) fn reserved(key: &str) -> Option<&'static str> {
    let key = key.to_ascii_uppercase();
    if key.starts_with("CLAWBOX_") {
        Some("any key that clawbox does not set itself (CLAWBOX_*)")
    } else if key.starts_with("LD_") {
        Some("any key that the dynamic loader does not act on (LD_*)")
    } else if key == "PROXY" || key.ends_with("_PROXY") {
        Some("any key that does not name a proxy (*_PROXY): the container's proxy is the socket")
    } else if START_UP_HOOKS.contains(&key.as_str()) {
        Some("any key that no loader, shell or interpreter runs code from at its start")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::reserved;

    #[test]
    fn keys_are_reserved_in_any_case() {
        for key in [
            "HTTP_PROXY",
            "https_proxy",
            "http_Proxy",
            "ALL_PROXY",
            "no_proxy",
            "CLAWBOX_PROXY_TOKEN",
            "Clawbox_Proxy_Token",
            "CLAWBOX_X",
            "LD_PRELOAD",
            "LD_LIBRARY_PATH",
            "LD_AUDIT",
            "ld_preload",
            "BASH_ENV",
            "ENV",
            "env",
            "PYTHONSTARTUP",
            "NODE_OPTIONS",
            "PERL5OPT",
            "RUBYOPT",
            "JAVA_TOOL_OPTIONS",
            "PS4",
        ] {
            assert!(reserved(key).is_some(), "{key}");
        }
        for key in [
            "PATH",
            "HOME",
            "LANG",
            "ENVIRONMENT",
            "PROXYCHAINS",
            "OLD_PATH",
            "CLAWBOX",
            "PYTHONPATH",
        ] {
            assert!(reserved(key).is_none(), "{key}");
        }
    }

    #[test]
    fn every_hook_is_written_in_capitals() {
        for hook in super::START_UP_HOOKS {
            assert_eq!(reserved(&hook.to_lowercase()), reserved(hook), "{hook}");
            assert!(reserved(hook).is_some(), "{hook}");
        }
    }
}
