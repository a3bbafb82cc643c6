//! The pairs of a context that belong to the format: `sw1/holds` and `sw1/hosts`.

use sealwax::{ContextError, EncryptionContext, Held, Secret, Suite};

use crate::fixtures::{CREDENTIAL, Counting, acme, context, keyring, opening};

fn told(error: &ContextError) -> String {
    match error {
        ContextError::TooManyPairs => "too many pairs".to_owned(),
        ContextError::NameLength { pair, found, .. } => format!("name {pair} of {found}"),
        ContextError::ValueLength { pair, found, .. } => format!("value {pair} of {found}"),
        ContextError::DuplicateName { pair, .. } => format!("duplicate {pair}"),
        ContextError::ReservedName { pair, .. } => format!("reserved {pair}"),
        ContextError::NoHosts => "no hosts".to_owned(),
        ContextError::Host { host, .. } => format!("no host {host}"),
        ContextError::DuplicateHost { host, .. } => format!("host {host} twice"),
        other => panic!("a variant without a name: {other}"),
    }
}

fn outcome(result: &Result<EncryptionContext, ContextError>) -> String {
    result.as_ref().map_or_else(told, |_| "accepted".to_owned())
}

fn with_hosts(hosts: &[&str]) -> Result<EncryptionContext, ContextError> {
    EncryptionContext::empty().with_hosts(hosts)
}

#[test]
fn names_that_begin_with_sw1_and_a_slash_are_refused_from_callers() {
    let reserved = [
        "sw1/",
        "sw1/holds",
        "sw1/hosts",
        "sw1/x",
        "sw1//",
        "sw1/\0",
        "sw1/é",
        &format!("sw1/{}", "x".repeat(60)),
        // The error says that it is reserved, not that it is too long.
        &format!("sw1/{}", "x".repeat(61)),
    ];
    for name in reserved {
        for value in ["", "swk1", "api.openai.com"] {
            let alone = EncryptionContext::new([(name, value)]);
            assert_eq!(outcome(&alone), "reserved 0", "{name}");
            let third = EncryptionContext::new([("a", "1"), ("z", "2"), (name, value)]);
            assert_eq!(outcome(&third), "reserved 2", "{name}");
        }
    }
    let free = [
        "sw1",
        "sw1.",
        "sw1-",
        "sw1\\",
        "sw1\u{2215}",
        "sw1 /",
        "SW1/",
        "Sw1/hosts",
        "sw2/",
        "sw/",
        "sw10/",
        "sw01/",
        " sw1/",
        "/sw1/",
        "xsw1/",
        "\u{feff}sw1/",
        "holds",
        "hosts",
        "s",
        "sw",
        "1/",
    ];
    for name in free {
        assert_eq!(outcome(&EncryptionContext::new([(name, "x")])), "accepted", "{name}");
    }
    assert_eq!((reserved.len(), free.len()), (9, 21));
    // Two of them, and one together with another fault: the first is reported. With 33 pairs there
    // are too many, whatever their names are.
    let two = EncryptionContext::new([("a", ""), ("sw1/a", ""), ("sw1/b", "")]);
    assert_eq!(outcome(&two), "reserved 1");
    assert_eq!(outcome(&EncryptionContext::new([("", ""), ("sw1/a", "")])), "reserved 1");
    assert_eq!(outcome(&EncryptionContext::new(vec![("sw1/a", ""); 33])), "too many pairs");
}

#[test]
fn each_rule_for_a_host_is_told_from_both_sides() {
    let label = "l".repeat(63);
    let longest = format!("{label}.{label}.{label}.{}", "l".repeat(61));
    assert_eq!(longest.len(), 253);
    let too_long = format!("{longest}l");
    let one_label = "l".repeat(253);
    let accepted = [
        "api.openai.com",
        "localhost",
        "a",
        "0",
        "-",
        "_",
        "a.b",
        "1.2.3.4",
        "999.999",
        "a-b_c.d",
        "-a-",
        "_dmarc.x",
        "xn--bcher-kva.example",
        "a.b.c.d.e.f",
        &longest,
        &one_label,
    ];
    for host in accepted {
        assert_eq!(outcome(&with_hosts(&[host])), "accepted", "{host}");
    }
    let refused = [
        "",
        ".",
        "..",
        ".a",
        "a.",
        "a..b",
        "..a",
        "a.b.",
        &too_long,
        "A",
        "Api.openai.com",
        "api.openai.coM",
        "a b",
        " a",
        "a ",
        "a\t",
        "a\n",
        "a\0",
        "a:443",
        ":443",
        "*",
        "*.a",
        "a.*",
        "a/b",
        "/",
        "https://a",
        "a?",
        "a#",
        "a@b",
        "[::1]",
        "::1",
        "[",
        "é",
        "a\u{2024}b",
        "ａ",
        "a,b",
        "a;b",
        "a=b",
        "a%2e",
        "a\\b",
        "a+b",
        "a~b",
        "\u{feff}a",
        "\"a\"",
        "'a'",
    ];
    for host in refused {
        assert_eq!(outcome(&with_hosts(&[host])), "no host 0", "{host:?}");
        assert_eq!(outcome(&with_hosts(&["a", "b", host, "c"])), "no host 2", "{host:?}");
    }
    assert_eq!((accepted.len(), refused.len()), (16, 45));
    // Every ASCII character, alone and inside a label.
    let mut allowed = 0;
    for byte in 0..128_u8 {
        let is_allowed = matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
        let alone = char::from(byte).to_string();
        let expected = if is_allowed { "accepted" } else { "no host 0" };
        assert_eq!(outcome(&with_hosts(&[&alone])), expected, "{alone:?}");
        let within = format!("a{alone}b");
        // A dot alone is two empty labels, and inside a text it separates two labels.
        let expected = if is_allowed || byte == b'.' { "accepted" } else { "no host 0" };
        assert_eq!(outcome(&with_hosts(&[&within])), expected, "{within:?}");
        allowed += usize::from(is_allowed);
    }
    assert_eq!(allowed, 26 + 10 + 2);
}

#[test]
fn a_list_of_hosts_is_not_empty_has_none_twice_and_1024_bytes_at_the_most() {
    assert_eq!(outcome(&with_hosts(&[])), "no hosts");
    for (hosts, expected) in [
        (vec!["a", "a"], "host 1 twice"),
        (vec!["b", "a", "b"], "host 2 twice"),
        (vec!["c", "a", "b", "a", "c"], "host 3 twice"),
        (vec!["a", "a", "a"], "host 1 twice"),
        // An invalid host is reported before a duplicate one.
        (vec!["a", "a", "A"], "no host 2"),
        (vec!["a", "A"], "no host 1"),
        (vec!["a", "aa", "a.a", "a-a"], "accepted"),
    ] {
        assert_eq!(outcome(&with_hosts(&hosts)), expected, "{hosts:?}");
    }
    // With the spaces between them, 4 hosts of 253 bytes and one of 8 are 1024 bytes.
    let long = ["a", "b", "c", "d"].map(|letter| letter.repeat(253));
    let of = |last: usize| {
        let last = "e".repeat(last);
        let mut hosts: Vec<&str> = long.iter().map(String::as_str).collect();
        hosts.push(&last);
        let result = with_hosts(&hosts);
        let len = result.as_ref().ok().and_then(|c| c.get("sw1/hosts").map(str::len));
        (outcome(&result), len)
    };
    assert_eq!(of(7), ("accepted".to_owned(), Some(1023)));
    assert_eq!(of(8), ("accepted".to_owned(), Some(1024)));
    assert_eq!(of(9), ("value 0 of 1025".to_owned(), None));
    let many: Vec<String> = (0..1000).map(|n| format!("h{n:03}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(outcome(&with_hosts(&many)), "value 0 of 4999");
    assert_eq!(outcome(&with_hosts(&many[..205])), "accepted");
    assert_eq!(outcome(&with_hosts(&many[..206])), "value 0 of 1029");
    // The index counts the pairs that are already there.
    assert_eq!(outcome(&acme().with_hosts(&many)), "value 3 of 4999");
}

#[test]
fn the_order_of_hosts_does_not_matter_and_they_stand_sorted() {
    let hosts = ["b.example", "a.example", "a", "0.example", "a-b", "_x"];
    let sorted = "0.example _x a a-b a.example b.example";
    let expected = with_hosts(&hosts).unwrap();
    assert_eq!(expected.get("sw1/hosts"), Some(sorted));
    let mut tried = 0;
    for turn in 0..hosts.len() {
        for reversed in [false, true] {
            let mut turned = hosts;
            turned.rotate_left(turn);
            if reversed {
                turned.reverse();
            }
            assert_eq!(with_hosts(&turned).unwrap(), expected, "{turned:?}");
            tried += 1;
        }
    }
    assert_eq!(tried, 12);
    // A different list gives a different context.
    for other in [&hosts[1..], &hosts[..5], &["a"]] {
        assert_ne!(with_hosts(other).unwrap(), expected, "{other:?}");
    }
}

#[test]
fn what_is_set_stands_among_the_pairs_as_any_other_to_the_byte() {
    let pair = |name: &str, value: &str| {
        let len = |text: &str| u16::try_from(text.len()).unwrap().to_be_bytes();
        [len(name).as_slice(), name.as_bytes(), &len(value), value.as_bytes()].concat()
    };
    for (held, value) in
        [(Held::MasterKey, "swk1"), (Held::OpeningKey, "swo1"), (Held::Keyring, "ring")]
    {
        let found = context(&[("row", "7"), ("tenant", "acme")]).holding(held).unwrap();
        let expected =
            [pair("row", "7"), pair("sw1/holds", value), pair("tenant", "acme")].concat();
        let expected = [[0, 3].as_slice(), &expected].concat();
        assert_eq!(found.encoded(), expected, "{held:?}");
        assert_eq!(found.get("sw1/holds"), Some(value));
        let alone = EncryptionContext::empty().holding(held).unwrap();
        assert_eq!(alone.encoded(), [&[0, 1], pair("sw1/holds", value).as_slice()].concat());
        // It can be set only once.
        for again in [Held::MasterKey, Held::OpeningKey, Held::Keyring] {
            assert_eq!(outcome(&found.clone().holding(again)), "duplicate 3", "{again:?}");
        }
        let both = found.clone().with_hosts(&["a"]).unwrap();
        let other_way = context(&[("row", "7"), ("tenant", "acme")]);
        let other_way = other_way.with_hosts(&["a"]).and_then(|c| c.holding(held)).unwrap();
        assert_eq!(both, other_way, "{held:?}");
        assert_eq!(both.iter().count(), 4);
    }
    let found = context(&[("z", "1")]).with_hosts(&["b", "a"]).unwrap();
    let expected = [&[0, 2], pair("sw1/hosts", "a b").as_slice(), &pair("z", "1")].concat();
    assert_eq!(found.encoded(), expected);
    for hosts in [&["a", "b"][..], &["c"]] {
        assert_eq!(outcome(&found.clone().with_hosts(hosts)), "duplicate 2", "{hosts:?}");
    }
    assert_eq!(outcome(&found.with_hosts(&[])), "no hosts");
}

#[test]
fn thirty_two_pairs_are_the_most_with_those_that_are_set() {
    let pairs = |count: usize| {
        EncryptionContext::new((0..count).map(|n| (format!("n{n}"), String::new()))).unwrap()
    };
    let hold = |context: EncryptionContext| context.holding(Held::Keyring);
    assert_eq!(outcome(&hold(pairs(31))), "accepted");
    assert_eq!(outcome(&hold(pairs(32))), "too many pairs");
    assert_eq!(outcome(&pairs(31).with_hosts(&["a"])), "accepted");
    assert_eq!(outcome(&pairs(32).with_hosts(&["a"])), "too many pairs");
    assert_eq!(outcome(&hold(pairs(30)).unwrap().with_hosts(&["a"])), "accepted");
    assert_eq!(outcome(&hold(pairs(31)).unwrap().with_hosts(&["a"])), "too many pairs");
}

/// No key opens as a credential, no credential as a key, and nothing opens for other hosts.
#[test]
fn what_was_sealed_with_one_of_them_opens_with_the_same_alone() {
    let contexts = [
        acme(),
        acme().holding(Held::MasterKey).unwrap(),
        acme().holding(Held::OpeningKey).unwrap(),
        acme().holding(Held::Keyring).unwrap(),
        acme().with_hosts(&["a"]).unwrap(),
        acme().with_hosts(&["a", "b"]).unwrap(),
        acme().with_hosts(&["a.b"]).unwrap(),
        acme().with_hosts(&["a"]).and_then(|c| c.holding(Held::MasterKey)).unwrap(),
    ];
    let ring = keyring(Suite::default());
    let (mut opened, mut refused) = (0, 0);
    for (i, sealed_for) in contexts.iter().enumerate() {
        let secret = Secret::from(CREDENTIAL);
        let row = ring.seal_with_rng(&secret, sealed_for, &mut Counting(1)).unwrap();
        for (j, opened_for) in contexts.iter().enumerate() {
            let found = opening(&ring, &row, opened_for);
            if i == j {
                assert_eq!(found, "opened", "{sealed_for:?}");
                opened += 1;
            } else {
                assert_eq!(found, "context_mismatch", "{sealed_for:?} as {opened_for:?}");
                refused += 1;
            }
        }
    }
    assert_eq!((opened, refused), (8, 56));
}

/// An error about a list gives the index in it, and shows nothing of the list.
#[test]
fn an_error_over_hosts_shows_none() {
    let long = ["q", "w", "x", "v", "z"].map(|letter| letter.repeat(253));
    let long: Vec<&str> = long.iter().map(String::as_str).collect();
    for (hosts, shown) in [
        (
            &["QQ"][..],
            "host 0 in the list is invalid: expected 1 to 253 characters from a-z 0-9 - _ . ",
        ),
        (&["qq", "qq"], "host 1 in the list repeats an earlier host"),
        (&[], "the list of hosts is empty: expected at least one host"),
        (&long, "the value of context pair 0 has 1269 bytes: expected 0 to 1024"),
    ] {
        let error = with_hosts(hosts).unwrap_err();
        assert!(error.to_string().starts_with(shown), "{error}");
        assert!(!format!("{error} {error:?}").to_lowercase().contains("qq"), "{error:?}");
    }
    let error = EncryptionContext::new([("a", "1"), ("sw1/qq", "qq")]).unwrap_err();
    let shown = "the name of context pair 1 begins with sw1/, which is reserved";
    assert_eq!(error.to_string(), shown);
    assert!(!format!("{error:?}").contains("qq"), "{error:?}");
}
