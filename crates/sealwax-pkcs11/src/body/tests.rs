//! Each length is parsed or refused, and what parses encodes back.

use super::*;

const SCHEMES: [(Scheme, u8, usize); 2] = [(Scheme::AesGcm, 1, 60), (Scheme::AesKeyWrap, 2, 40)];

#[test]
fn a_body_has_one_form() {
    let mut parsed = 0;
    for (scheme, first, sealed_len) in SCHEMES {
        for id_len in 0..=255_u8 {
            let end = 2 + usize::from(id_len) + sealed_len;
            for len in (0..end - 1).step_by(9).chain(end - 1..end + 70) {
                let mut bytes: Vec<u8> = (0..=255).cycle().take(len).collect();
                let front = [first, id_len];
                let written = len.min(front.len());
                bytes[..written].copy_from_slice(&front[..written]);
                let fits = id_len > 0 && len == end;
                let id = fits.then(|| &bytes[2..2 + usize::from(id_len)]);
                assert_eq!(version_of(&bytes), id, "{id_len} {len}");
                let body = Body::parse(scheme, &bytes);
                assert_eq!(body.is_some(), fits, "{id_len} {len}");
                if let Some(body) = body {
                    assert_eq!((body.id, body.sealed.len()), (id.unwrap(), sealed_len));
                    assert_eq!(body.encode(scheme), Some(bytes));
                    parsed += 1;
                }
            }
        }
    }
    assert_eq!(parsed, 2 * 255);
}

#[test]
fn a_body_is_of_one_scheme() {
    for (scheme, first, sealed_len) in SCHEMES {
        for byte in 0..=255 {
            let bytes = [&[byte, 1, 7][..], &vec![0; sealed_len]].concat();
            assert_eq!(Body::parse(scheme, &bytes).is_some(), byte == first);
            assert_eq!(version_of(&bytes).is_some(), byte == first);
        }
    }
}

#[test]
fn an_id_has_1_to_255_bytes() {
    for (len, fits) in [(0, false), (1, true), (255, true), (256, false)] {
        let body = Body { id: &vec![7; len], sealed: &[0; 60] };
        assert_eq!(body.encode(Scheme::AesGcm).map(|bytes| bytes.len()), fits.then_some(62 + len));
    }
}
