//! The clauses of the contract, in a few words each.

/// A clause of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Clause {
    /// Its id, as in `docs/contract.md`.
    pub id: &'static str,
    /// What it asks for, in a few words; the contract has the exact ones.
    pub summary: &'static str,
}

/// Every clause of the contract, in its order.
pub fn clauses() -> &'static [Clause] {
    CLAUSES
}

/// What the letter of a clause stands for.
pub fn area(id: &str) -> &'static str {
    match id.chars().next() {
        Some('K') => "Records and keys",
        Some('A') => "Atomicity and order",
        Some('D') => "Durability and damage",
        Some('S') => "Secrets",
        Some('C') => "Capabilities",
        _ => "Refresh lease and token manager",
    }
}

const fn clause(id: &'static str, summary: &'static str) -> Clause {
    Clause { id, summary }
}

const CLAUSES: &[Clause] = &[
    clause("K1", "get returns every field as it was stored; absent is no error"),
    clause(
        "K2",
        "store replaces the whole record of one key, always with a new revision",
    ),
    clause(
        "K3",
        "remove says whether something was there, and changes nothing else",
    ),
    clause(
        "K4",
        "keys are exact byte strings, any Unicode, up to the declared length",
    ),
    clause("K5", "distinct keys never collide"),
    clause("K6", "namespaces are isolated"),
    clause("K7", "what is too large is refused before anything is written"),
    clause("K8", "absent stays absent, any expiry round-trips, unknown is not zero"),
    clause("A1", "a reader sees the old record or the new one, never a mixture"),
    clause("A2", "a batch is all or nothing"),
    clause("A3", "an acknowledged write is seen by every later read"),
    clause("A4", "compare-and-swap: of racing writers exactly one wins"),
    clause("A5", "lost answers and late duplicates harm nothing"),
    clause("A6", "updates of different keys never lose each other"),
    clause("A7", "a dropped call leaves the old record or the new one"),
    clause("D1", "an acknowledged write survives as described"),
    clause("D2", "a write that fails leaves the old data and no stray files"),
    clause("D3", "damage is an error that names the place, never \"no tokens\""),
    clause("D4", "files are the owner's alone from their first instant"),
    clause("D5", "many processes can open a new storage at once"),
    clause("D6", "contention waits for a bounded time, and is then busy"),
    clause("D7", "programs that write in place may alternate"),
    clause("S1", "no token in debug output, messages or error chains"),
    clause("S2", "secrets are wiped from memory"),
    clause("S3", "with encryption on, no plaintext is stored"),
    clause("C1", "a capability that is there works; one that is not is absent"),
    clause("C2", "nothing but listing needs a listing"),
    clause("C3", "the storage describes itself, truthfully"),
    clause("C4", "a wrapper forwards every capability"),
    clause("C5", "a listing has each key of its namespace once"),
    clause("L1", "one holder of a lease at a time"),
    clause("L2", "a lease ends as its kind says"),
    clause("L3", "a holder that was paused cannot overwrite its successor"),
    clause("L4", "busy and unreachable are different errors"),
    clause("L5", "one expiry costs one request, and an intent outlives its holder"),
    clause("L6", "the storage is proven writable before the refresh token is spent"),
    clause("L7", "a transient failure leaves the record as it was"),
    clause("L8", "a response without a refresh token keeps the stored one"),
    clause("L9", "a token is handed out as long as it is good"),
    clause("L10", "logging out during a refresh leaves the user logged out"),
];
