use aws_sdk_dynamodb::{
    error::ProvideErrorMetadata,
    types::{TableDescription, TableStatus},
};
use token_storage_core::{Error, ErrorContext as _, ErrorKind, Operation, Result};

use super::Pauses;
use crate::{DynamoDbStorage, error::from_sdk, inner::Inner};

impl DynamoDbStorage {
    /// Deletes the table with everything in it, and waits until it is gone, so that one of the same name can be created.
    /// Returns whether it was there; one that is just being deleted is waited for, too.
    ///
    /// Needs the permissions `dynamodb:DeleteTable` and `dynamodb:DescribeTable`.
    ///
    /// # Errors
    /// - [`Busy`](ErrorKind::Busy): it is just being created or changed, or is still there after five minutes.
    /// - [`Unavailable`](ErrorKind::Unavailable): among others, if it is protected against deletion.
    pub async fn delete_table(&self) -> Result<bool> {
        self.inner.delete_table().await.during(Operation::Manage)
    }
}

impl Inner {
    async fn delete_table(&self) -> Result<bool> {
        if let Err(error) = self.client.delete_table().table_name(self.table()).send().await {
            match error.code() {
                Some("ResourceNotFoundException") => return Ok(false),
                Some("ResourceInUseException") if self.is_being_deleted().await? => {}
                Some("ResourceInUseException") => {
                    let message = format!("{} is being created or changed; try again", self.place.describe());
                    return Err(Error::new(ErrorKind::Busy, message));
                }
                _ => return Err(from_sdk(&error, &self.place).with_unknown_outcome()),
            }
        }
        self.wait_until_gone().await?;
        Ok(true)
    }

    pub(super) async fn is_being_deleted(&self) -> Result<bool> {
        let table = self.find_table().await?;
        Ok(table.as_ref().is_none_or(is_being_deleted))
    }

    /// A table that is there and not being deleted is a new one that somebody else made.
    async fn wait_until_gone(&self) -> Result<()> {
        let mut pauses = Pauses::new();
        while self.find_table().await?.as_ref().is_some_and(is_being_deleted) {
            if pauses.are_over() {
                let (place, seconds) = (self.place.describe(), pauses.limit());
                let message = format!("{place} is still being deleted after {seconds} s; look again later");
                return Err(Error::new(ErrorKind::Busy, message));
            }
            pauses.wait().await?;
        }
        Ok(())
    }
}

fn is_being_deleted(table: &TableDescription) -> bool {
    table.table_status() == Some(&TableStatus::Deleting)
}
