//! The one request that changes a lease item in place.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure::AllOld};
use token_storage_aws::quiet;
use token_storage_core::WriteMark;

use crate::{
    attempts::Attempts,
    condition::Condition,
    inner::{Answer, Inner, string},
    item::{Item, KEY},
    lease::{INTENT, LEASE, STATE, TTL},
};

/// A change of a lease item that carries one of the given marks.
pub(crate) struct Change {
    condition: Condition,
    set: String,
    remove: &'static str,
}

/// Puts the new mark in the place of whichever of the old ones is there.
pub(crate) fn change(old: &[WriteMark], new: WriteMark) -> Change {
    let condition = holds_one_of(old).value(":new", string(&new.to_string()));
    Change {
        condition,
        set: "SET #lease = :new".to_owned(),
        remove: "",
    }
}

/// The condition that the lease carries one of these marks. More than one, if an answer was lost.
pub(crate) fn holds_one_of(marks: &[WriteMark]) -> Condition {
    let placeholders: Vec<String> = (0..marks.len()).map(|i| format!(":old{i}")).collect();
    let condition = Condition {
        expression: format!("#lease IN ({})", placeholders.join(", ")),
        ..Condition::default()
    };
    placeholders
        .iter()
        .zip(marks)
        .fold(condition.name("#lease", LEASE), |condition, (placeholder, mark)| {
            condition.value(placeholder, string(&mark.to_string()))
        })
}

impl Change {
    pub(crate) fn state(self, state: &str) -> Self {
        self.set("#state = :state", "#state", STATE, ":state", string(state))
    }

    pub(crate) fn ttl(self, ttl: AttributeValue) -> Self {
        self.set("#ttl = :ttl", "#ttl", TTL, ":ttl", ttl)
    }

    pub(crate) fn intent(self, intent: AttributeValue) -> Self {
        self.set("#intent = :intent", "#intent", INTENT, ":intent", intent)
    }

    pub(crate) fn without_intent(mut self) -> Self {
        self.remove = " REMOVE #intent";
        self.condition = self.condition.name("#intent", INTENT);
        self
    }

    fn set(mut self, part: &str, name: &str, attribute: &str, placeholder: &str, value: AttributeValue) -> Self {
        self.set = format!("{}, {part}", self.set);
        self.condition = self.condition.name(name, attribute).value(placeholder, value);
        self
    }
}

impl Inner {
    pub(crate) async fn send_update(&self, id: &str, change: Change, attempts: &Attempts) -> Answer<Option<Item>> {
        let request = self
            .client
            .update_item()
            .table_name(self.table())
            .key(KEY, string(id))
            .update_expression(format!("{}{}", change.set, change.remove))
            .condition_expression(&change.condition.expression)
            .set_expression_attribute_names(Some(change.condition.names.clone()))
            .set_expression_attribute_values(change.condition.values())
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(AllOld);
        let result: Result<HashMap<_, _>, _> = quiet(request.customize().interceptor(attempts.clone()).send())
            .await
            .map(|output| output.attributes.unwrap_or_default());
        self.answer(result.map(|attributes| Some(Item::new(attributes))), id)
            .await
    }
}
