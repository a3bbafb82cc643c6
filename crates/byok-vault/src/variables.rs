//! The environment variables in which `run` may pass a credential.
//!
//! A credential is a customer's text. In a variable that programs obey, such as `LD_PRELOAD` or
//! `NODE_OPTIONS`, it decides what the command does.

use crate::key_text::Given;
use crate::names::start_of_key;

/// The last word of the name of a variable that holds a credential.
///
/// `import --help` lists them.
pub const LAST_WORDS: [&str; 13] = [
    "KEY",
    "KEYS",
    "APIKEY",
    "TOKEN",
    "SECRET",
    "PASSWORD",
    "PGPASSWORD",
    "PASSPHRASE",
    "CREDENTIAL",
    "CREDENTIALS",
    "JSON",
    "PAT",
    "AUTH",
];

/// Variables that shells, loaders, language runtimes and common tools obey.
const OBEYED: [&str; 80] = [
    "ALL_PROXY",
    "AWS_SHARED_CREDENTIALS_FILE",
    "BASHOPTS",
    "BASH_ENV",
    "BROWSER",
    "CC",
    "CDPATH",
    "CLASSPATH",
    "COMSPEC",
    "CURL_CA_BUNDLE",
    "CURL_HOME",
    "CXX",
    "DOCKER_CONFIG",
    "DOCKER_HOST",
    "EDITOR",
    "ENV",
    "EXINIT",
    "FPATH",
    "FTP_PROXY",
    "GCONV_PATH",
    "GEM_HOME",
    "GEM_PATH",
    "GETCONF_DIR",
    "GLOBIGNORE",
    "GOAUTH",
    "HOME",
    "HOSTALIASES",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "IFS",
    "JDK_JAVA_OPTIONS",
    "KUBECONFIG",
    "LANG",
    "LANGUAGE",
    "LD",
    "LESS",
    "LESSCLOSE",
    "LESSOPEN",
    "LOCALDOMAIN",
    "LOCPATH",
    "LOGNAME",
    "MAKEFLAGS",
    "MANPAGER",
    "MFLAGS",
    "NIS_PATH",
    "NLSPATH",
    "NO_PROXY",
    "OLDPWD",
    "PAGER",
    "PATH",
    "PATHEXT",
    "PHPRC",
    "PHP_INI_SCAN_DIR",
    "PROMPT_COMMAND",
    "PS1",
    "PS2",
    "PS4",
    "PSMODULEPATH",
    "PWD",
    "REQUESTS_CA_BUNDLE",
    "RESOLV_HOST_CONF",
    "RES_OPTIONS",
    "RUSTC",
    "RUSTC_WRAPPER",
    "RUSTFLAGS",
    "SHELL",
    "SHELLOPTS",
    "SPRING_APPLICATION_JSON",
    "SSLKEYLOGFILE",
    "SYSTEMROOT",
    "TEMP",
    "TERM",
    "TMP",
    "TMPDIR",
    "TZ",
    "TZDIR",
    "USER",
    "VIMINIT",
    "VISUAL",
    "ZDOTDIR",
];

/// How the names of whole families of such variables begin.
const FAMILIES: [&str; 42] = [
    "AWS_CONFIG",
    "AWS_ENDPOINT",
    "BASH_FUNC_",
    "BUNDLE_",
    "CARGO_",
    "COMPOSER_",
    "CORECLR_",
    "COR_",
    "DENO_",
    "DOTNET_",
    "DYLD_",
    "ELECTRON_",
    "ERL_",
    "GIT_",
    "GLIBC_",
    "GO",
    "GRPC_",
    "GTK_",
    "JAVA_",
    "KRB5_",
    "LC_",
    "LD_",
    "LESSKEY",
    "LIBRARY_",
    "LUA_CPATH",
    "LUA_INIT",
    "LUA_PATH",
    "MALLOC_",
    "NODE_",
    "NPM_CONFIG_",
    "OPENSSL_",
    "PERL",
    "PIP_",
    "PKG_CONFIG",
    "PYTHON",
    "QT_",
    "RUBY",
    "SSH_",
    "SSL_",
    "SUDO_",
    "XDG_",
    "_JAVA_",
];

/// Checks the name of an environment variable, which must not be that of a keyring or an audit key.
///
/// # Errors
/// Returns the rule that the name breaks, as an error message.
pub fn variable(text: &str) -> Result<String, String> {
    let mut characters = text.chars();
    let first = characters.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
    if !first || !characters.all(|c| c.is_ascii_alphanumeric() || c == '_') {
        return Err(
            "a variable name must contain only letters, digits and _, and not start with a digit"
                .to_owned(),
        );
    }
    if let Some(start) = start_of_key(text.as_bytes()) {
        return Err(format!(
            "expected the name of a variable, not a key, and {start} looks like the start of one"
        ));
    }
    if Given::ALL.iter().any(|given| given.variable() == text) {
        return Err("commands never see a variable that holds keys of the vault".to_owned());
    }
    Ok(text.to_owned())
}

/// Checks the name of a variable that an operator chose for one command.
///
/// # Errors
/// Returns the rule that the name breaks, as an error message.
pub fn for_a_command(text: &str) -> Result<String, String> {
    let name = variable(text)?;
    if is_obeyed(&name) {
        return Err(
            "programs obey this variable, so it must not hold a customer's text; use a name \
                    such as ACME_API_KEY"
                .to_owned(),
        );
    }
    Ok(name)
}

/// Checks the name of a variable that a row or a file chose, which must be that of a credential.
///
/// No list of the variables that programs obey is complete, and somebody else may have written the row.
///
/// # Errors
/// Returns the rule that the name breaks, as an error message.
pub fn of_a_credential(text: &str) -> Result<String, String> {
    let name = for_a_command(text)?;
    if has_the_name_of_a_credential(&name) {
        Ok(name)
    } else {
        Err(format!(
            "the variable must have the name of a credential, such as ACME_API_KEY: its last word must \
             be one of {}",
            LAST_WORDS.join(", ")
        ))
    }
}

/// Returns whether programs may obey the variable of this valid name.
fn is_obeyed(name: &str) -> bool {
    // Windows ignores the case, and some programs also read http_proxy.
    let upper = name.to_ascii_uppercase();
    // Many credentials have the name of a family, such as GIT_TOKEN.
    OBEYED.contains(&upper.as_str())
        || FAMILIES.iter().any(|begin| upper.starts_with(begin))
            && !has_the_name_of_a_credential(name)
}

fn has_the_name_of_a_credential(name: &str) -> bool {
    let upper = name.to_ascii_uppercase();
    upper.rsplit('_').next().is_some_and(|last| LAST_WORDS.contains(&last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_programs_obey_is_refused() {
        let obeyed: Vec<_> = "
            PATH path LD_PRELOAD LD_LIBRARY_PATH LD_AUDIT DYLD_INSERT_LIBRARIES BASH_ENV ENV
            IFS PS4 SHELLOPTS PROMPT_COMMAND NODE_OPTIONS NODE_PATH PYTHONPATH PYTHONSTARTUP
            PYTHONHOME PERL5OPT PERL5LIB PERL5DB RUBYOPT RUBYLIB JAVA_TOOL_OPTIONS
            _JAVA_OPTIONS JDK_JAVA_OPTIONS GIT_SSH_COMMAND GIT_EXEC_PATH GIT_CONFIG_KEY_0 HOME
            TMPDIR GCONV_PATH GLIBC_TUNABLES LOCPATH NLSPATH MALLOC_CHECK_ OPENSSL_CONF
            OPENSSL_MODULES SSL_CERT_FILE SSL_CERT_DIR HTTPS_PROXY http_proxy CLASSPATH GOFLAGS
            LESS LESSOPEN LESSKEY lesskey LESSKEYIN LESSKEY_CONTENT LESSKEY_SYSTEM LUA_INIT
            LUA_INIT_5_4 LUA_PATH_5_4 LUA_CPATH VIMINIT EXINIT PSModulePath
            AWS_SHARED_CREDENTIALS_FILE EDITOR PAGER LC_ALL PHP_INI_SCAN_DIR
            DOTNET_STARTUP_HOOKS XDG_CONFIG_HOME
            CARGO_HOME SSH_AUTH_SOCK SUDO_ASKPASS KUBECONFIG npm_config_registry SSLKEYLOGFILE"
            .split_whitespace()
            .collect();
        for name in &obeyed {
            assert!(for_a_command(name).is_err(), "{name}");
            assert!(of_a_credential(name).is_err(), "{name}");
        }
        assert_eq!(obeyed.len(), 70);
    }

    #[test]
    fn what_is_no_name_of_a_variable_is_refused() {
        let invalid = [
            "",
            "1_KEY",
            "A-KEY",
            "A KEY",
            "A_KEY\n",
            "LD_PRELOAD=/tmp/x.so:X_KEY",
            "BASH_FUNC_x%%=() { :; }; X_KEY",
            "É_KEY",
            "SWK1_KEY",
            "SWA1_KEY",
            "SEALWAX_KEYS",
            "SEALWAX_AUDIT_KEY",
        ];
        for name in &invalid {
            for check in [variable, for_a_command, of_a_credential] {
                assert!(check(name).is_err(), "{name:?}");
            }
        }
        assert_eq!(invalid.len(), 12);
    }

    #[test]
    fn a_credential_has_a_name_that_a_file_may_choose() {
        let names: Vec<_> = "
            OPENAI_API_KEY ACME_KEY GITHUB_TOKEN GIT_TOKEN NODE_AUTH_TOKEN RUBYGEMS_API_KEY
            GOOGLE_API_KEY GOOGLE_APPLICATION_CREDENTIALS SERVICE_ACCOUNT_JSON PGPASSWORD
            AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN STRIPE_SECRET CLIENT_SECRET _21ST_API_KEY
            GITLAB_PAT openai_api_key TOKEN WEAVIATE_APIKEY"
            .split_whitespace()
            .collect();
        for name in &names {
            assert_eq!(of_a_credential(name).as_deref(), Ok(*name));
        }
        assert_eq!(names.len(), 19);
    }

    #[test]
    fn another_name_is_for_an_operator_to_choose() {
        let names: Vec<_> = "
            OTHER DATABASE_URL SENTRY_DSN ACME STARTUP_FILE ACME_NOKEY MONKEY"
            .split_whitespace()
            .collect();
        for name in &names {
            assert_eq!(for_a_command(name).as_deref(), Ok(*name));
            assert!(of_a_credential(name).is_err(), "{name}");
        }
        assert_eq!(names.len(), 7);
    }
}
