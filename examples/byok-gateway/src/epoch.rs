//! Epochs: a root of the keyring, the dashboard's pair and the offline escrow, which begin and end together.
//!
//! Whoever was deleted in an epoch is gone for good when it ends, whatever copies of the database there are.

mod lines;
mod recovering;
mod turning;

use std::fs;

use anyhow::{Context, Result, bail};
use sealwax::{EncryptionContext, Held, KeyId, Keyring, MasterKey, OpeningKey, Sealer, Secret};
use sealwax_audit::{Anchor, AuditKeys, Entry, Record, verify};
use sealwax_tenants::{Notice, WriterPair};

pub use recovering::recover;
pub(crate) use turning::is_turned;
pub use turning::turn;

use crate::config::Home;
use crate::files::{ANCHORS, AUDIT, ESCROW, SAFE, SEALER, TENANT_KEYS};
use crate::store::{Log, Store};

/// The number of an epoch, from 1 on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Epoch(pub u32);

impl Epoch {
    /// Returns the id of the root.
    pub fn root(self) -> Result<KeyId> {
        Ok(format!("epoch-{}", self.0).parse()?)
    }

    /// Returns the id of the dashboard's pair.
    pub fn pair(self) -> Result<KeyId> {
        Ok(format!("dashboard-{}", self.0).parse()?)
    }

    /// Returns the epoch whose root is the primary. The newest one may have begun, and not be the primary yet.
    #[must_use]
    pub fn current(ring: &Keyring) -> Option<Self> {
        ring.primary()?.as_ref().strip_prefix("epoch-")?.parse().ok().map(Self)
    }

    /// Returns the newest epoch that a keyring knows.
    #[must_use]
    pub fn newest(ring: &Keyring) -> Option<Self> {
        let number = |key_id: &KeyId| key_id.as_ref().strip_prefix("epoch-")?.parse().ok();
        ring.keys().filter_map(|(key_id, _)| number(key_id)).max().map(Self)
    }

    /// Returns the next epoch.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// Returns when the root was begun, in seconds since 1970, as the audit log says.
    pub async fn begun(self, home: &Home, store: &Store) -> Result<Option<i64>> {
        let (root, log) = (self.root()?, deletions(home, store).await?);
        let is_it = |entry: &Entry| entry.action == "begin-root" && entry.key_id.as_ref() == Some(&root);
        let begun = log.iter().rev().find(|record| is_it(&record.entry));
        begun.map(|record| Ok(i64::try_from(record.entry.time / 1000)?)).transpose()
    }

    /// Notes in the audit log that the root begins, unless that is there.
    pub async fn note_begin(self, home: &Home, store: &Store, log: &Log, ring: &Keyring) -> Result<()> {
        if self.begun(home, store).await?.is_none() {
            let notice = Notice::begin_root(ring, &self.root()?, "worker", "an epoch begins");
            log.append(Notice::SUBJECT, notice.action()).await?;
        }
        Ok(())
    }

    /// Returns the file that has the tenants' keys under the root.
    fn dump(self) -> Result<String> {
        Ok(format!("{TENANT_KEYS}/{}", self.root()?))
    }

    /// Reads that file, if there is one: the tenant, number and envelope of each key.
    pub(crate) fn read_dump(self, home: &Home) -> Result<Option<Vec<(String, i64, String)>>> {
        let path = home.path(self.dump()?);
        if !path.exists() {
            return Ok(None);
        }
        let key = |line: &str| {
            let mut words = line.splitn(3, ' ');
            Some((words.next()?.to_owned(), words.next()?.parse().ok()?, words.next()?.to_owned()))
        };
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let keys = text.lines().map(|line| key(line).with_context(|| format!("{} is malformed", path.display())));
        keys.collect::<Result<_>>().map(Some)
    }

    /// Draws the root, and seals its text for the escrow: `escrow/epoch-1` opens with `safe/epoch-1`, which an operator moves
    /// into a safe. Both are destroyed with the root.
    pub fn draw_root(self, home: &Home) -> Result<Secret> {
        let (root, text) = (self.root()?, MasterKey::generate()?.to_text());
        let opening_key = OpeningKey::generate()?;
        let escrow = Sealer::new(format!("escrow-{}", self.0).parse()?, opening_key.sealing_key())?;
        let context = EncryptionContext::new([("root", root.as_ref())])?.holding(Held::MasterKey)?;
        let sealed = escrow.seal(&text, &context)?;
        let [safe, escrow] = self.escrow_files()?;
        home.write(&safe, opening_key.to_text().expose_secret())?;
        home.write(&escrow, sealed.to_string().as_bytes())?;
        Ok(text)
    }

    /// Returns the files that the root is in: the key for the safe, and what it opens. Together, they are the root.
    pub(crate) fn escrow_files(self) -> Result<[String; 2]> {
        let root = self.root()?;
        Ok([format!("{SAFE}/{root}"), format!("{ESCROW}/{root}")])
    }

    /// Makes the dashboard's pair under the root, which is the primary, unless there is one, and gives the dashboard its half.
    pub async fn make_pair(self, home: &Home, store: &Store, ring: &Keyring) -> Result<()> {
        let key_id = self.pair()?;
        let sealing_key = match store.pair(&key_id).await? {
            // Whoever made it may have been interrupted here.
            Some(envelope) => {
                let pair = WriterPair::from_row(key_id.clone(), envelope.parse()?);
                // Under another root, it would be gone with that one.
                if pair.envelope().key_ids().next().as_ref() != ring.primary() {
                    bail!("pair {key_id} is not under the primary: restore the database of this epoch");
                }
                pair.open(ring)?.sealing_key()
            }
            None => {
                let (pair, sealing_key) = WriterPair::create(key_id.clone(), ring)?;
                store.insert_pair(&key_id, pair.envelope()).await.context("the pair was not written")?;
                sealing_key
            }
        };
        let text = Secret::from(format!("primary {key_id} {}", sealing_key.to_text().expose_str()?));
        home.write(SEALER, text.expose_secret())
    }
}

/// Returns the chain of deletions and of the beginnings of roots, if it is as it was written: certificates follow from it.
pub(crate) async fn deletions(home: &Home, store: &Store) -> Result<Vec<Record>> {
    let (keys, anchors): (AuditKeys, Vec<Anchor>) = (home.parsed(AUDIT)?, home.lines(ANCHORS)?);
    let lines = store.audit().chain(Notice::SUBJECT).await?;
    let records: Vec<Record> = lines.iter().map(|line| line.parse()).collect::<Result<_, _>>()?;
    let anchors = anchors.iter().filter(|anchor| anchor.subject == Notice::SUBJECT);
    verify(&keys, Notice::SUBJECT, &records, anchors).context("the log of deletions is not as it was written")?;
    Ok(records)
}
