//! Environment keys that nobody but clawbox sets.

/// What the loader, the interpreters and the libraries under most programs read before a program's first own
/// instruction, and so would run code, or load code, of the caller's choice. Compared in capitals.
///
/// Two kinds are not among them. Where to look for what a program asks for (`PATH`, `PYTHONPATH`, `NODE_PATH`,
/// `PERL5LIB`, `RUBYLIB`, `CLASSPATH`) is as much its input as its arguments are. What a tool acts on when it comes to it
/// (`GIT_SSH_COMMAND`, `PAGER`, `EDITOR`, `MAKEFLAGS`, `RUSTC_WRAPPER`) is its configuration; who may choose the
/// command may choose that.
///
/// Sources: ld.so(8), bash(1), dash(1), zsh(1), python(1), site(python), node(1), bun, perlrun(1), ruby(1), java(1),
/// OpenJ9, .NET, php(1), lua(1), erl(1), R, config(5ssl).
const START_UP_HOOKS: [&str; 40] = [
    "BASH_ENV",
    "BASHOPTS",
    "BUN_OPTIONS",
    "CORECLR_ENABLE_PROFILING",
    "DOTNET_STARTUP_HOOKS",
    "ELIXIR_ERL_OPTIONS",
    "ENV",
    "ERL_AFLAGS",
    "ERL_FLAGS",
    "ERL_ZFLAGS",
    "GCONV_PATH",
    "GLIBC_TUNABLES",
    "IBM_JAVA_OPTIONS",
    "JAVA_TOOL_OPTIONS",
    "JDK_JAVA_OPTIONS",
    "_JAVA_OPTIONS",
    "NODE_OPTIONS",
    "NODE_REPL_EXTERNAL_MODULE",
    "OPENJ9_JAVA_OPTIONS",
    "OPENSSL_CONF",
    "OPENSSL_ENGINES",
    "OPENSSL_MODULES",
    "PERL5DB",
    "PERL5OPT",
    "PHPRC",
    "PHP_INI_SCAN_DIR",
    "PROMPT_COMMAND",
    "PS4",
    "PYTHONHOME",
    "PYTHONINSPECT",
    "PYTHONPLATLIBDIR",
    "PYTHONSTARTUP",
    "PYTHONUSERBASE",
    "RUBYOPT",
    "R_ENVIRON",
    "R_ENVIRON_USER",
    "R_PROFILE",
    "R_PROFILE_USER",
    "SHELLOPTS",
    "ZDOTDIR",
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
    } else if START_UP_HOOKS.contains(&key.as_str()) || is_of_lua(&key) {
        Some("any key that no loader, shell or interpreter runs code from at its start")
    } else {
        None
    }
}

/// Each release of Lua reads `LUA_INIT_` and its version first.
fn is_of_lua(key: &str) -> bool {
    key == "LUA_INIT" || key.starts_with("LUA_INIT_")
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
            "LUA_INIT",
            "lua_init_5_4",
            "Dotnet_Startup_Hooks",
            "ZDOTDIR",
            "OPENSSL_CONF",
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
            "PYTHONUNBUFFERED",
            "PYTHONDONTWRITEBYTECODE",
            "NODE_PATH",
            "NODE_ENV",
            "RUBYLIB",
            "JAVA_HOME",
            "GIT_SSH_COMMAND",
            "GIT_CONFIG_COUNT",
            "PAGER",
            "LUA_PATH",
            "SSL_CERT_FILE",
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
