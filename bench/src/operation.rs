use serde::{Serialize, Serializer};
use token_storage_core::{Durability, StorageInfo};

/// Something that is done to a storage again and again, and timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Operation {
    /// `get`, another record each time.
    Get,
    /// `get` of one record again and again.
    GetAgain,
    /// `store` without a precondition, another record each time.
    Store,
    /// `store` on condition that the record is as it was left.
    CompareAndSwap,
    /// `store_all` of three records, as a response for three resource servers is stored.
    StoreResponse,
    /// Opening the storage anew and the first `get`: what a command that lives for a moment pays.
    Open,
    /// Listing all keys of a namespace.
    List,
    /// Taking a refresh lease and giving it back.
    Lease,
    /// All that a token manager asks of the storage for one refresh.
    Refresh,
}

/// Records of one response.
pub(crate) const RESPONSE_RECORDS: usize = 3;

impl Operation {
    /// All of them, in the order in which they are reported.
    pub const ALL: [Self; 9] = [
        Self::Get,
        Self::GetAgain,
        Self::Store,
        Self::CompareAndSwap,
        Self::StoreResponse,
        Self::Open,
        Self::List,
        Self::Lease,
        Self::Refresh,
    ];

    /// The name in reports and options.
    pub fn name(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::GetAgain => "get-again",
            Self::Store => "store",
            Self::CompareAndSwap => "compare-and-swap",
            Self::StoreResponse => "store-response",
            Self::Open => "open",
            Self::List => "list",
            Self::Lease => "lease",
            Self::Refresh => "refresh",
        }
    }

    /// What is done, for people.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Get => "reads a record, another each time",
            Self::GetAgain => "reads the same record again",
            Self::Store => "replaces a record, another each time",
            Self::CompareAndSwap => "replaces a record if it is as it was left",
            Self::StoreResponse => "stores a response for three resource servers, all or nothing",
            Self::Open => "opens the storage and reads a first record",
            Self::List => "lists all keys of a namespace",
            Self::Lease => "takes a refresh lease and gives it back",
            Self::Refresh => "all that a refresh asks of the storage: reads, lease, intent, store",
        }
    }

    /// How many requests it is at most for a storage behind a network: those of the DynamoDB storage.
    pub(crate) fn requests(self, records: usize) -> u64 {
        match self {
            Self::Get | Self::GetAgain | Self::Open | Self::CompareAndSwap => 1,
            Self::Store | Self::Lease => 2,
            // Each record is read, and the transaction costs as much as single writes at least.
            Self::StoreResponse => 2 * RESPONSE_RECORDS as u64,
            Self::List => (records as u64).div_ceil(100),
            Self::Refresh => 9,
        }
    }

    /// Why such a storage cannot be asked for it.
    pub(crate) fn impossible(self, info: &StorageInfo) -> Option<&'static str> {
        match self {
            Self::List if !info.enumerates => Some("the storage cannot list"),
            Self::Lease | Self::Refresh if info.lease.is_none() => Some("the storage has no leases"),
            Self::Open if info.durability == Durability::Volatile => {
                Some("what is opened anew is another storage, as it is gone with its handle")
            }
            _ => None,
        }
    }
}

impl Serialize for Operation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}
