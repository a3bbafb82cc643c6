//! What the HTTP clients leave of a data key in memory. Our own part leaves nothing: see the other file of this name.

use std::io::Write;
use std::time::Duration;

use sealwax_branch::BranchKeys;
use sealwax_transit::{HyperTransport, TransitKey, Transport};
use serde_json::json;

use super::{Bao, with_bao};
use crate::residue::{BRANCHES, HYPER, Masked, use_key};

/// Returns the copies while the client is alive, and after it was dropped.
async fn left(bao: &Bao, transport: impl Transport, masked: &Masked) -> [[usize; 2]; 2] {
    assert_eq!(masked.copies(), [0, 0]);
    let key = TransitKey::unchecked(transport, bao.location("byok"), bao.root());
    use_key(&key, masked).await;
    let alive = masked.copies();
    // The search finds what there is.
    let held = masked.data_key();
    assert_eq!(masked.copies()[0], 1);
    drop(held);
    drop(key);
    // Its connections close in tasks.
    tokio::time::sleep(Duration::from_millis(200)).await;
    [alive, masked.copies()]
}

/// The README has the figures.
#[test]
fn what_clients_leave_is_known() {
    with_bao(|bao| async move {
        bao.create("byok", json!({})).await;
        let timeout = Duration::from_secs(10);
        let clients = [
            ("hyper", left(&bao, HyperTransport::plain(timeout), &HYPER).await),
            #[cfg(feature = "reqwest")]
            ("reqwest", {
                let builder = reqwest::Client::builder();
                let transport = sealwax_transit::ReqwestTransport::new(builder, timeout).unwrap();
                left(&bao, transport, &crate::residue::REQWEST).await
            }),
        ];
        for (client, [alive, dropped]) in clients {
            let line = format!(
                "{client}: [raw, base64] copies: {alive:?} while it is alive, {dropped:?} after it is dropped\n"
            );
            std::io::stderr().write_all(line.as_bytes()).unwrap();
            // No client sees the raw key.
            assert_eq!((alive[0], dropped[0]), (0, 0), "{client}");
            // None is left if other tests soon get the memory.
            assert!(alive[1] <= 40 && dropped[1] <= 40, "{client}");
        }
    });
}

/// Behind branch keys, a client sees the keys of branches alone.
#[test]
fn a_client_behind_branch_keys_has_no_data_key() {
    with_bao(|bao| async move {
        bao.create("byok", json!({})).await;
        let transport = HyperTransport::plain(Duration::from_secs(10));
        let key = TransitKey::unchecked(transport, bao.location("byok"), bao.root());
        let branches = BranchKeys::new(key, 5.try_into().unwrap());
        use_key(&branches, &BRANCHES).await;
        assert_eq!((branches.kept(), BRANCHES.copies()), (8, [0, 0]));
    });
}
