//! Two contexts have the same encoding exactly if they have the same pairs, in any order. This includes the pairs that
//! the crate sets itself: the hosts and what the envelope holds. One context opens what was sealed for the other
//! exactly in that case. If a context is rejected, it has the fault that the error names. The reference produces the
//! same bytes, and reads them back.

use sealwax::{ContextError, EncryptionContext, Held, OpenError, Secret};

use super::heap::Limit;
use super::input::Input;
use super::material::{DEK, IV, RING, Scripted};
use super::reference::context::{HELD, Pairs, decode, encode, is_host, is_reserved, sorted, whole};

/// The arguments of a caller.
#[derive(Clone, Debug)]
struct Given {
    pairs: Pairs,
    /// An index into [`HELDS`].
    held: Option<usize>,
    hosts: Option<Vec<String>>,
}

const HELDS: [Held; 3] = [Held::MasterKey, Held::OpeningKey, Held::Keyring];

pub fn check(input: &[u8]) -> bool {
    let mut input = Input::new(input);
    let pairs = pairs(&mut input);
    let (held, hosts) = (held(&mut input), hosts(&mut input));
    let one = Given { pairs, held, hosts };
    let other = variant(&one, &mut input);
    let (Some(found), Some(other_found)) = (context(&one), context(&other)) else { return false };
    let is_same = one.sorted() == other.sorted();
    assert_eq!(found.encoded() == other_found.encoded(), is_same);
    assert_eq!(found == other_found, is_same);

    let rng = [DEK.as_slice(), &IV].concat();
    let secret = Secret::from("x");
    let keyring = &RING.keyring;
    let sealed = keyring.seal_with_rng(&secret, &found, &mut Scripted(&rng)).unwrap();
    match keyring.open(&sealed, &other_found) {
        Ok(opened) => assert!(is_same && opened == secret),
        Err(error) => assert!(!is_same && matches!(error, OpenError::ContextMismatch)),
    }
    true
}

impl Given {
    fn whole(&self) -> Option<Pairs> {
        whole(&self.pairs, self.held.map(|held| HELD[held]), self.hosts.as_deref())
    }

    fn sorted(&self) -> Option<Pairs> {
        sorted(&self.whole()?)
    }
}

/// Builds the context, if the reference agrees that there is one.
fn context(given: &Given) -> Option<EncryptionContext> {
    let found = build(given);
    let whole = given.whole();
    match (&found, whole.as_ref().and_then(encode)) {
        (Ok(found), Some(expected)) => {
            assert_eq!(found.encoded(), expected);
            let sorted = given.sorted().unwrap();
            assert_eq!(decode(found.encoded()).as_ref(), Some(&sorted));
            assert!(found.iter().eq(sorted.iter().map(|(name, value)| (&**name, &**value))));
            for (name, value) in &sorted {
                assert_eq!(found.get(name), Some(value.as_str()));
                let longer = format!("{name}x");
                let expected = sorted.iter().find(|(other, _)| *other == longer);
                assert_eq!(found.get(&longer), expected.map(|(_, value)| value.as_str()));
            }
            let again = |context: Result<EncryptionContext, ContextError>| {
                assert!(matches!(context, Err(ContextError::DuplicateName { .. })), "{context:?}");
            };
            if given.held.is_some() && sorted.len() < 32 {
                HELDS.iter().for_each(|held| again(found.clone().holding(*held)));
            }
            if given.hosts.is_some() && sorted.len() < 32 {
                again(found.clone().with_hosts(&["another"]));
            }
        }
        (Err(error), None) => assert!(has_fault(given, error), "{error}"),
        (found, expected) => panic!("found {found:?}, expected {expected:?}"),
    }
    found.ok()
}

fn build(given: &Given) -> Result<EncryptionContext, ContextError> {
    let Given { pairs, held, hosts } = given;
    let iter = pairs.iter().map(|(name, value)| (name, value));
    let encoded_len: usize = pairs.iter().map(|(name, value)| 4 + name.len() + value.len()).sum();
    // For each pair, this allows for its position as given and as sorted. Text is copied only into the encoding, which
    // grows by doubling. The limit counts both copies, because both exist while it grows.
    let limit = Limit { bytes: 3 * encoded_len + 32 * (4 * 16 + 64) + 256, allocations: 24 };
    let mut context = limit.hold(|| EncryptionContext::new(iter))?;
    // These add one pair to a context that still exists. The hosts are also sorted in a list and joined.
    let more =
        |limit: Limit, more: usize| Limit { bytes: limit.bytes + encoded_len + more, ..limit };
    if let Some(held) = held {
        context = more(limit, 64).hold(|| context.holding(HELDS[*held]))?;
    }
    if let Some(hosts) = hosts {
        let hosts: Vec<&str> = hosts.iter().map(String::as_str).collect();
        let len: usize = hosts.iter().map(|host| 64 + 4 * host.len()).sum();
        let limit = Limit { allocations: 2 * limit.allocations, ..limit };
        context = more(limit, 128 + len).hold(|| context.with_hosts(&hosts))?;
    }
    Ok(context)
}

fn has_fault(given: &Given, error: &ContextError) -> bool {
    let Given { pairs, held, hosts } = given;
    let hosts = hosts.as_deref();
    match error {
        ContextError::TooManyPairs => {
            pairs.len() + usize::from(held.is_some()) + usize::from(hosts.is_some()) > 32
        }
        ContextError::NameLength { pair, found, .. } => {
            let len = pairs[*pair].0.len();
            len == *found && !(1..=64).contains(&len)
        }
        // All hosts together are one value.
        ContextError::ValueLength { pair, found, .. } => {
            let len = match (pairs.get(*pair), hosts) {
                (Some((_, value)), _) if value.len() == *found => value.len(),
                (_, Some(hosts)) => hosts.join(" ").len(),
                _ => 0,
            };
            len == *found && len > 1024
        }
        ContextError::DuplicateName { pair, .. } => {
            let (name, _) = &pairs[*pair];
            pairs[..*pair].iter().any(|(other, _)| other == name)
        }
        ContextError::ReservedName { pair, .. } => is_reserved(&pairs[*pair].0),
        ContextError::NoHosts => hosts.is_some_and(<[String]>::is_empty),
        ContextError::Host { host, .. } => hosts.is_some_and(|hosts| !is_host(&hosts[*host])),
        ContextError::DuplicateHost { host, .. } => {
            hosts.is_some_and(|hosts| hosts[..*host].contains(&hosts[*host]))
        }
        other => panic!("the target has no such error: {other}"),
    }
}

fn pairs(input: &mut Input<'_>) -> Pairs {
    let count = input.below(35);
    (0..count).map(|_| (text(input, 70), text(input, 1030))).collect()
}

fn held(input: &mut Input<'_>) -> Option<usize> {
    input.below(1 + HELDS.len()).checked_sub(1)
}

/// Returns mostly valid hosts, and mostly few of them.
fn hosts(input: &mut Input<'_>) -> Option<Vec<String>> {
    let count = input.below(8).checked_sub(1)?;
    Some((0..count).map(|_| host(input)).collect())
}

fn host(input: &mut Input<'_>) -> String {
    const HOSTS: [&str; 12] = [
        "api.openai.com",
        "localhost",
        "a",
        "b_c",
        "1.2.3.4",
        "A.com",
        "a..b",
        ".a",
        "a.",
        "a:443",
        "*.a",
        "",
    ];
    match input.byte() {
        choice if usize::from(choice) < HOSTS.len() => HOSTS[usize::from(choice)].to_owned(),
        // As long as a host can be, and longer.
        192.. => "h".repeat(input.u16() % 256),
        len => String::from_utf8_lossy(input.take(usize::from(len) % 8)).into_owned(),
    }
}

/// Returns a short text from the input, or one character many times, so that a few bytes reach each limit.
fn text(input: &mut Input<'_>, limit: usize) -> String {
    match input.byte() {
        len @ 0..192 => String::from_utf8_lossy(input.take(usize::from(len) % 24)).into_owned(),
        // Reserved names, and names that are not reserved.
        192..200 => {
            (*input.choose(&["sw1/holds", "sw1/hosts", "sw1/", "sw1", "SW1/a", "sw2/a"])).to_owned()
        }
        _ => {
            let character = *input.choose(&["a", "b", ":", "\0", "é", "🔑", "\u{ffff}"]);
            character.repeat(input.u16() % limit / character.len() + 1)
        }
    }
}

/// Returns the same pairs in another order, with a boundary moved, or with one more or one fewer, or something else
/// entirely.
fn variant(given: &Given, input: &mut Input<'_>) -> Given {
    let mut given = given.clone();
    let Given { pairs, held, hosts } = &mut given;
    let change = input.below(10);
    let at = input.below(pairs.len().max(1));
    match change {
        0 if !pairs.is_empty() => pairs.rotate_left(at),
        1 => pairs.reverse(),
        2 if !pairs.is_empty() => {
            let (name, value) = &mut pairs[at];
            value.insert_str(0, &name.pop().map(String::from).unwrap_or_default());
        }
        3 if !pairs.is_empty() => drop(pairs.remove(at)),
        4 => pairs.push((text(input, 70), text(input, 1030))),
        5 => *held = self::held(input),
        6 => *hosts = self::hosts(input),
        7 => hosts.iter_mut().for_each(|hosts| hosts.reverse()),
        8 => hosts.iter_mut().for_each(|hosts| hosts.push(host(input))),
        _ => *pairs = self::pairs(input),
    }
    given
}
