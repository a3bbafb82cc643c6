//! The environment variables in which `run` may pass a credential.
//!
//! A credential is a customer's text. In a variable that programs obey, such as `LD_PRELOAD` or
//! `NODE_OPTIONS`, it decides what the command does.

use crate::names;

/// How the name of a variable that holds a credential ends.
const OF_A_CREDENTIAL: [&str; 11] = [
    "KEY",
    "KEYS",
    "TOKEN",
    "SECRET",
    "PASSWORD",
    "PASSPHRASE",
    "CREDENTIAL",
    "CREDENTIALS",
    "_JSON",
    "_PAT",
    "_AUTH",
];

/// Variables that shells, loaders, language runtimes and common tools obey.
const OBEYED: [&str; 76] = [
    "ALL_PROXY",
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
    "FPATH",
    "FTP_PROXY",
    "GCONV_PATH",
    "GEM_HOME",
    "GEM_PATH",
    "GETCONF_DIR",
    "GLOBIGNORE",
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
    "LESSCLOSE",
    "LESSOPEN",
    "LOCALDOMAIN",
    "LOCPATH",
    "LOGNAME",
    "LUA_INIT",
    "LUA_PATH",
    "LUA_CPATH",
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
    "PWD",
    "REQUESTS_CA_BUNDLE",
    "RESOLV_HOST_CONF",
    "RES_OPTIONS",
    "RUSTC",
    "RUSTFLAGS",
    "RUSTC_WRAPPER",
    "SHELL",
    "SHELLOPTS",
    "SSLKEYLOGFILE",
    "SYSTEMROOT",
    "TEMP",
    "TERM",
    "TMP",
    "TMPDIR",
    "TZ",
    "TZDIR",
    "USER",
    "VISUAL",
    "ZDOTDIR",
];

/// How the names of whole families of such variables begin.
const FAMILIES: [&str; 38] = [
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
    "LIBRARY_",
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

/// Checks the name of a variable that an operator chose.
///
/// # Errors
/// Returns the rule that the name breaks, as an error message.
pub fn for_a_command(text: &str) -> Result<String, String> {
    let name = names::variable(text)?;
    if is_obeyed(&name) {
        return Err(
            "programs obey this variable, so it must not hold a customer's text; use a name \
                    such as ACME_API_KEY"
                .to_owned(),
        );
    }
    Ok(name)
}

/// Checks the name of a variable that a file chose, which must be that of a credential.
///
/// No list of the variables that programs obey is complete.
///
/// # Errors
/// Returns the rule that the name breaks, as an error message.
pub fn of_a_credential(text: &str) -> Result<String, String> {
    let name = for_a_command(text)?;
    if has_the_name_of_a_credential(&name) {
        Ok(name)
    } else {
        Err("the variable must have the name of a credential: it must end in KEY, TOKEN, SECRET, \
             PASSWORD, PASSPHRASE, CREDENTIALS, _JSON, _PAT or _AUTH"
            .to_owned())
    }
}

/// Returns whether programs may obey this variable.
#[must_use]
pub fn is_obeyed(name: &str) -> bool {
    // Windows ignores the case, and some programs also read http_proxy.
    let upper = name.to_ascii_uppercase();
    !has_the_name_of_a_credential(name)
        && (OBEYED.contains(&upper.as_str())
            || FAMILIES.iter().any(|begin| upper.starts_with(begin)))
}

fn has_the_name_of_a_credential(name: &str) -> bool {
    let upper = name.to_ascii_uppercase();
    OF_A_CREDENTIAL.iter().any(|end| upper.ends_with(end))
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
            LESSOPEN EDITOR PAGER LC_ALL PHP_INI_SCAN_DIR DOTNET_STARTUP_HOOKS XDG_CONFIG_HOME
            CARGO_HOME SSH_AUTH_SOCK SUDO_ASKPASS KUBECONFIG npm_config_registry SSLKEYLOGFILE"
            .split_whitespace()
            .collect();
        for name in &obeyed {
            assert!(for_a_command(name).is_err(), "{name}");
            assert!(of_a_credential(name).is_err(), "{name}");
        }
        assert_eq!(obeyed.len(), 56);
    }

    #[test]
    fn a_credential_has_a_name_that_a_file_may_choose() {
        let names: Vec<_> = "
            OPENAI_API_KEY ACME_KEY GITHUB_TOKEN GIT_TOKEN NODE_AUTH_TOKEN RUBYGEMS_API_KEY
            GOOGLE_API_KEY GOOGLE_APPLICATION_CREDENTIALS SERVICE_ACCOUNT_JSON PGPASSWORD
            AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN STRIPE_SECRET CLIENT_SECRET _21ST_API_KEY
            GITLAB_PAT openai_api_key"
            .split_whitespace()
            .collect();
        for name in &names {
            assert_eq!(of_a_credential(name).as_deref(), Ok(*name));
        }
        assert_eq!(names.len(), 17);
    }

    #[test]
    fn another_name_is_for_an_operator_to_choose() {
        let names: Vec<_> = "
            OTHER DATABASE_URL SENTRY_DSN ACME STARTUP_FILE"
            .split_whitespace()
            .collect();
        for name in &names {
            assert_eq!(for_a_command(name).as_deref(), Ok(*name));
            assert!(of_a_credential(name).is_err(), "{name}");
        }
        assert_eq!(names.len(), 5);
    }
}
