//! Fault rules: failures on demand, and the calls that they affect.

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use serde::Serialize;

use crate::{
    api::{Command, OWNER},
    domain::UserId,
    excerpt, masking, random,
    wire::{Fault, Field, Fields, Node, Value, bare, code::Code, meant},
};

/// The maximum number of rules.
const MOST_RULES: usize = 1_000;

const COMMAND: Field = bare("Command");
const PROBABILITY: Field = bare("Probability");
const TIMES: Field = bare("Times");
const CODE: Field = bare("Code");
const INFO: Field = bare("Info");
const LATENCY_MS: Field = bare("LatencyMs");
const DROP: Field = bare("Drop");
const LOSE_ANSWER: Field = bare("LoseAnswer");

/// A rule as clients send and receive it. The first matching rule affects a call.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct FaultRule {
    /// The number of the rule, assigned by the server.
    pub id: u32,
    /// Affects only calls of this command.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// Affects only calls about this owner.
    #[serde(rename = "From_Account", skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// The share of matching calls that are affected, from 0 to 1; absent means all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probability: Option<f64>,
    /// The number of calls to affect, after which the rule has no effect.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub times: Option<u32>,
    /// Refuses the call with this code. The call has no effect.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<u32>,
    /// The `ErrorInfo` of the refusal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub info: Option<String>,
    /// Delays the call by this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency_ms: Option<u64>,
    /// Closes the connection. The call has no effect.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub drop: bool,
    /// Runs the call, makes its changes durable, and then closes the connection.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub lose_answer: bool,
    /// The number of calls affected so far.
    pub struck: u32,
}

impl FaultRule {
    /// The fields of a rule that clients may set.
    pub const FIELDS: &[Field] =
        &[COMMAND, OWNER, PROBABILITY, TIMES, CODE, INFO, LATENCY_MS, DROP, LOSE_ANSWER];

    /// Reads a rule. The caller has checked the names of the fields.
    ///
    /// # Errors
    /// Returns a [`Fault`] for the first field of another type.
    pub fn read(fields: Fields<'_>) -> Result<FaultRule, Fault> {
        let text = |field: &'static Field| Ok::<_, Fault>(fields.optional_text(field)?.map(str::to_owned));
        let flag = |field: &'static Field| {
            Ok::<_, Fault>(fields.optional(field, |value| value.read::<bool>())?.unwrap_or(false))
        };
        let number = |field: &'static Field| fields.optional(field, whole);
        let probability = fields.optional(&PROBABILITY, |value| match value.node {
            Node::Float(number) => Ok(*number),
            node => {
                let number = match node {
                    Node::Integer(number) => i32::try_from(*number).ok(),
                    _ => None,
                };
                number.map(f64::from).ok_or_else(|| Fault::unfit(value.path, "a number from 0 to 1", node))
            }
        })?;
        Ok(FaultRule {
            id: 0,
            command: text(&COMMAND)?,
            owner: text(&OWNER)?,
            probability,
            times: number(&TIMES)?,
            code: number(&CODE)?,
            info: text(&INFO)?,
            latency_ms: number(&LATENCY_MS)?.map(u64::from),
            drop: flag(&DROP)?,
            lose_answer: flag(&LOSE_ANSWER)?,
            struck: 0,
        })
    }
}

fn whole(value: Value<'_>) -> Result<u32, Fault> {
    let number = value.read::<i64>().ok().and_then(|number| u32::try_from(number).ok());
    number.ok_or_else(|| Fault::unfit(value.path, "a number from 0 to 4294967295", value.node))
}

/// What happens to an affected call after the delay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing else.
    None,
    /// The call is refused.
    Refuse(Code, String),
    /// The connection is closed before the call runs.
    Drop,
    /// The connection is closed after the call ran.
    LoseAnswer,
}

/// The fault to inject into a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InjectedFault {
    /// The delay before the effect.
    pub latency: Duration,
    /// The effect.
    pub effect: Effect,
}

/// The active rules.
#[derive(Debug, Default)]
pub struct Faults {
    any: AtomicBool,
    rules: Mutex<Rules>,
}

#[derive(Debug, Default)]
struct Rules {
    last: u32,
    rules: Vec<FaultRule>,
}

impl Faults {
    /// Appends a rule and returns it with its number.
    ///
    /// # Errors
    /// Returns why the rule is refused: the field, the requirement and what was found.
    pub fn add(&self, rule: FaultRule) -> Result<FaultRule, String> {
        check(&rule)?;
        let mut rules = self.rules();
        if rules.rules.len() == MOST_RULES {
            return Err(format!(
                "there are already {MOST_RULES} fault rules, the maximum; remove some with DELETE /_dev/faults"
            ));
        }
        rules.last += 1;
        let info = rule.info.as_deref().map(|info| {
            let info = masking::text(info).into_owned();
            // Replies cut the text at this length as well.
            if info.len() > excerpt::MESSAGE_BYTES { excerpt::line(&info).into_owned() } else { info }
        });
        let rule = FaultRule { id: rules.last, struck: 0, info, ..rule };
        rules.rules.push(rule.clone());
        self.any.store(true, Ordering::Relaxed);
        Ok(rule)
    }

    /// Returns all rules, in the order in which they are tried.
    pub fn all(&self) -> Vec<FaultRule> {
        self.rules().rules.clone()
    }

    /// Removes one rule, or all of them, and returns how many were removed.
    pub fn remove(&self, id: Option<u32>) -> usize {
        let mut rules = self.rules();
        let before = rules.rules.len();
        rules.rules.retain(|rule| id.is_some_and(|id| rule.id != id));
        self.any.store(!rules.rules.is_empty(), Ordering::Relaxed);
        before - rules.rules.len()
    }

    /// Returns the fault to inject into a call, and counts it. `None` if no rule matches.
    pub fn strike(&self, command: Command, owner: Option<&str>) -> Option<InjectedFault> {
        if !self.any.load(Ordering::Relaxed) {
            return None;
        }
        let mut rules = self.rules();
        let rule = rules.rules.iter_mut().find(|rule| {
            rule.command.as_deref().is_none_or(|name| name == command.name())
                && rule.owner.as_deref().is_none_or(|wanted| Some(wanted) == owner)
                && rule.times.is_none_or(|times| rule.struck < times)
                && rule.probability.is_none_or(|probability| random::fraction() < probability)
        })?;
        rule.struck += 1;
        Some(InjectedFault {
            latency: Duration::from_millis(rule.latency_ms.unwrap_or(0)),
            effect: effect(rule),
        })
    }

    fn rules(&self) -> MutexGuard<'_, Rules> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn effect(rule: &FaultRule) -> Effect {
    match rule.code {
        Some(code) => {
            let known = || format!("injected by the fault rule {}", rule.id);
            Effect::Refuse(Code::of(code), rule.info.clone().unwrap_or_else(known))
        }
        None if rule.drop => Effect::Drop,
        None if rule.lose_answer => Effect::LoseAnswer,
        None => Effect::None,
    }
}

fn check(rule: &FaultRule) -> Result<(), String> {
    if let Some(name) = &rule.command
        && !Command::ALL.iter().any(|command| command.name() == name)
    {
        let known: Vec<_> = Command::ALL.iter().map(|command| command.name()).collect();
        let masked = masking::text(name);
        let found = excerpt::quoted(&masked);
        return Err(match meant(name, &known) {
            Some(other) => format!("Command: there is no command {found}; did you mean {other}?"),
            None => format!("Command must be one of {}, found {found}", known.join(", ")),
        });
    }
    if let Some(Err(reason)) = rule.owner.as_deref().map(UserId::parse) {
        return Err(format!("From_Account cannot match any call: {reason}"));
    }
    if let Some(probability) = rule.probability.filter(|one| !(0.0..=1.0).contains(one)) {
        return Err(format!("Probability must be from 0 to 1, found {probability}"));
    }
    if let Some(code) = rule.code.filter(|code| !(10_000..=99_999).contains(code)) {
        return Err(format!("Code must be an error code from 10000 to 99999, found {code}"));
    }
    if rule.times == Some(0) {
        return Err("Times must be at least 1".to_owned());
    }
    let effects = [rule.code.is_some(), rule.drop, rule.lose_answer];
    match effects.iter().filter(|effect| **effect).count() {
        0 if rule.latency_ms.is_none() => {
            Err("the rule has no effect: give Code, LatencyMs, Drop or LoseAnswer".to_owned())
        }
        0 | 1 => Ok(()),
        _ => Err("Code, Drop and LoseAnswer cannot be combined".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(text: &str) -> FaultRule {
        FaultRule::read(Fields::of_request(&Node::parse(text.as_bytes()).unwrap()).unwrap()).unwrap()
    }

    #[test]
    fn the_first_rule_that_matches_applies_as_often_as_it_says() {
        let faults = Faults::default();
        assert_eq!(faults.strike(Command::MarkContact, None), None);
        faults
            .add(rule(r#"{"Command":"mark_contact","From_Account":"ann","Code":60007,"Times":2}"#))
            .unwrap();
        faults.add(rule(r#"{"LatencyMs":5,"LoseAnswer":true}"#)).unwrap();
        let lost = Some(InjectedFault { latency: Duration::from_millis(5), effect: Effect::LoseAnswer });
        assert_eq!(faults.strike(Command::GetContactGroup, Some("ann")), lost);
        assert_eq!(faults.strike(Command::MarkContact, Some("bob")), lost);
        for _ in 0..2 {
            let struck = faults.strike(Command::MarkContact, Some("ann")).unwrap();
            let Effect::Refuse(code, info) = struck.effect else { panic!("{struck:?}") };
            assert_eq!((code.number(), info.as_str()), (60007, "injected by the fault rule 1"));
        }
        assert_eq!(faults.strike(Command::MarkContact, Some("ann")), lost, "the first has ended");
        assert_eq!(faults.all().iter().map(|rule| rule.struck).collect::<Vec<_>>(), [2, 3]);
        assert_eq!((faults.remove(Some(2)), faults.remove(None)), (1, 1));
        assert_eq!(faults.strike(Command::MarkContact, Some("bob")), None);
    }

    #[test]
    fn a_probability_is_kept_roughly() {
        let faults = Faults::default();
        faults.add(rule(r#"{"Drop":true,"Probability":0.25}"#)).unwrap();
        let struck = (0..4_000).filter(|_| faults.strike(Command::MarkContact, None).is_some()).count();
        assert!((800..1_200).contains(&struck), "{struck} of 4000");
    }

    #[test]
    fn nonsensical_rules_are_refused() {
        let faults = Faults::default();
        for (text, said) in [
            (r#"{"Command":"get"}"#, "Command must be one of create_contact_group, "),
            (
                r#"{"Command":"mark_contacts"}"#,
                "Command: there is no command \"mark_contacts\"; did you mean mark_contact?",
            ),
            (r#"{"Command":""}"#, "Command must be one of "),
            (r#"{"Code":60007,"From_Account":""}"#, "From_Account cannot match any call: "),
            (
                r#"{"Code":60007,"From_Account":"a-user-id-of-more-than-32-bytes-in-all"}"#,
                "From_Account cannot match any call: ",
            ),
            (r#"{"Code":60007,"Probability":2}"#, "Probability must be from 0 to 1, found 2"),
            (r#"{"Code":60007,"Times":0}"#, "Times must be at least 1"),
            (r#"{"Code":7}"#, "Code must be an error code from 10000 to 99999, found 7"),
            ("{}", "the rule has no effect"),
            (r#"{"Code":60007,"Drop":true}"#, "cannot be combined"),
        ] {
            let refused = faults.add(rule(text)).unwrap_err();
            assert!(refused.contains(said), "{text}: {refused}");
        }
    }
}
