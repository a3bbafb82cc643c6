//! What the checks found.

use std::fmt;

/// What the checks found: one finding for each check, in the order in which they ran.
///
/// `Display` is for a terminal or a failed assertion: `assert!(report.is_ok(), "{report}")`. It shows positions, kinds
/// and lengths, but never a key, a body or the source of a provider's error.
#[derive(Clone, Debug)]
#[must_use = "the checks do not panic: look whether the report is_ok"]
pub struct Report {
    findings: Vec<Finding>,
}

/// The outcome of one check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    name: &'static str,
    matters: &'static str,
    outcome: Outcome,
}

/// Whether a check passed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The provider does what the check expects.
    Passed,
    /// It does not, and this is what it does instead.
    Failed(String),
    /// The check did not run, for this reason.
    NotRun(String),
}

impl Report {
    pub(crate) fn new() -> Self {
        Self { findings: Vec::new() }
    }

    pub(crate) fn add(&mut self, name: &'static str, matters: &'static str, outcome: Outcome) {
        self.findings.push(Finding { name, matters, outcome });
    }

    /// Returns whether no check failed, and at least one passed.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.failures().next().is_none() && self.passed() > 0
    }

    /// Returns all findings, in the order in which the checks ran.
    pub fn findings(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter()
    }

    /// Returns the findings of the checks that failed.
    pub fn failures(&self) -> impl Iterator<Item = &Finding> {
        self.findings().filter(|finding| matches!(finding.outcome, Outcome::Failed(_)))
    }

    /// Returns how many checks passed.
    #[must_use]
    pub fn passed(&self) -> usize {
        self.findings().filter(|finding| finding.outcome == Outcome::Passed).count()
    }

    /// Returns how many checks failed.
    #[must_use]
    pub fn failed(&self) -> usize {
        self.failures().count()
    }

    /// Returns how many checks did not run.
    #[must_use]
    pub fn not_run(&self) -> usize {
        let is_one = |finding: &&Finding| matches!(finding.outcome, Outcome::NotRun(_));
        self.findings().filter(is_one).count()
    }
}

impl Finding {
    /// Returns the name of the check, as in the README's table.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Returns what goes wrong in a service whose provider fails this check.
    #[must_use]
    pub fn why_it_matters(&self) -> &'static str {
        self.matters
    }

    /// Returns whether the check passed.
    #[must_use]
    pub fn outcome(&self) -> &Outcome {
        &self.outcome
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, matters, outcome } = self;
        match outcome {
            Outcome::Passed => write!(f, "passed  {name}"),
            Outcome::Failed(reason) => {
                write!(f, "FAILED  {name}: {reason}\n        why it matters: {matters}")
            }
            Outcome::NotRun(reason) => write!(f, "not run {name}: {reason}"),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for finding in self.findings() {
            writeln!(f, "{finding}")?;
        }
        let (passed, failed, others) = (self.passed(), self.failed(), self.not_run());
        write!(f, "{passed} passed, {failed} failed, {others} not run")?;
        if failed > 1 {
            f.write_str("; start with the first failure, which may have caused the others")?;
        }
        Ok(())
    }
}
