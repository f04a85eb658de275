//! What is known about a chat group from events that another service reports, each with its time.
//!
//! Such events arrive late, repeatedly and in any order, and have to lead to the same members nevertheless. So the time
//! decides and not the arrival. For each user, the last time of joining is compared with the last time of leaving. A chat
//! group keeps the moment when its present life began: its newest destruction or creation. Everything before that moment
//! belongs to an earlier life and has no effect. A creation also ends a life whose destruction was never reported.

use std::collections::HashMap;

use super::{
    ChatGroup, ChatGroupChange, ChatGroupDelta, ChatGroupKind, ChatGroupProfile, ChatGroupTimes,
    ChatGroupWorld, MAX_NUMBER, Member, Moment, MomentKind, UnixSeconds, UserId,
};

/// How long it is remembered that a user left, in seconds.
pub const EXIT_SECONDS: UnixSeconds = 7 * 86_400;

/// What an event reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChatGroupEvent {
    /// The chat group was created.
    Created {
        /// Its name.
        name: String,
        /// Its owner, if it has one.
        owner: Option<UserId>,
        /// Its first members. The owner may be among them.
        members: Vec<UserId>,
    },
    /// Users joined.
    Joined(Vec<UserId>),
    /// Users left or were removed.
    Left(Vec<UserId>),
    /// The chat group was disbanded.
    Destroyed,
}

impl ChatGroup {
    /// Checks whether an event of this kind and time, in milliseconds, belongs to the present life of the chat group.
    #[must_use]
    pub fn admits(&self, kind: MomentKind, at: u64) -> bool {
        Moment::new(at, kind) > self.began
    }
}

impl ChatGroup {
    /// Returns the times of the life that has just begun, if those of the life before may be of a message that belongs to it.
    /// Times are whole seconds. Those of the second in which the life began are kept, because a later event may show that it
    /// began otherwise; [`Moment::precedes_message_in`] decides whether members see them.
    #[must_use]
    pub fn carried(&self, known: ChatGroupTimes, incarnation: u32) -> Option<ChatGroupTimes> {
        let times = known.of(incarnation);
        (times.last() >= self.began.at() / 1_000)
            .then_some(ChatGroupTimes { incarnation: self.incarnation, times })
    }
}

impl ChatGroupEvent {
    /// Returns the users whose joining or leaving the event reports.
    pub(super) fn users(&self) -> Vec<&UserId> {
        match self {
            ChatGroupEvent::Created { owner, members, .. } => owner.iter().chain(members).collect(),
            ChatGroupEvent::Joined(users) | ChatGroupEvent::Left(users) => users.iter().collect(),
            ChatGroupEvent::Destroyed => Vec::new(),
        }
    }

    /// Checks whether the event may end the membership of any member.
    pub(super) fn concerns_all(&self) -> bool {
        matches!(self, ChatGroupEvent::Created { .. } | ChatGroupEvent::Destroyed)
    }
}

/// Decides what an event at a time, in milliseconds, changes. `kind` is the kind of chat group that the event names.
pub(super) fn observe(
    old: Option<&ChatGroup>,
    event: &ChatGroupEvent,
    kind: ChatGroupKind,
    at: u64,
    world: ChatGroupWorld<'_>,
) -> Option<ChatGroupChange> {
    let group = old.cloned().unwrap_or_default();
    let members = world.members.iter().map(|member| (member.user.clone(), member.clone())).collect();
    let exits = world.exits.iter().cloned().collect();
    let mut life =
        Life { is_known: old.is_some(), group, members, exits, at, kind, world, deltas: Vec::new() };
    match event {
        ChatGroupEvent::Created { name, owner, members } => life.create(name, owner.as_ref(), members),
        ChatGroupEvent::Joined(users) => life.join(users),
        ChatGroupEvent::Left(users) => life.leave(users),
        ChatGroupEvent::Destroyed => life.destroy(),
    }
    // The last incarnation has to stay free for a destruction.
    let is_spent = life.group.profile.is_some() && life.group.incarnation >= MAX_NUMBER;
    (!life.deltas.is_empty() && !is_spent)
        .then_some(ChatGroupChange { next: life.group, deltas: life.deltas })
}

/// A chat group while an event is decided.
struct Life<'a> {
    is_known: bool,
    group: ChatGroup,
    /// The members that the event concerns.
    members: HashMap<UserId, Member>,
    /// When the users that the event names left, in milliseconds.
    exits: HashMap<UserId, u64>,
    at: u64,
    kind: ChatGroupKind,
    world: ChatGroupWorld<'a>,
    deltas: Vec<ChatGroupDelta>,
}

impl Life<'_> {
    fn moment(&self, kind: MomentKind) -> Moment {
        Moment::new(self.at, kind)
    }

    fn create(&mut self, name: &str, owner: Option<&UserId>, members: &[UserId]) {
        let moment = self.moment(MomentKind::Creation);
        if moment <= self.group.began {
            return;
        }
        let created_at = self.group.profile.as_ref().map_or(0, |profile| profile.created_at);
        let second = self.at / 1_000;
        // A call or an import has created the chat group, which says only in which second.
        let is_of_call = created_at > 0 && !self.group.began.is_creation_in(created_at);
        if is_of_call && second <= created_at {
            if second == created_at {
                self.add(members);
            }
            return;
        }
        let ended = self.end_before(moment);
        if self.group.profile.is_some() && (created_at > 0 || ended) {
            self.reincarnate();
        }
        // An earlier owner may have joined the new life already.
        let earlier = self.group.profile.as_ref().and_then(ChatGroupProfile::owner_seat);
        if let Some(seat) = earlier.filter(|seat| seat.moment() > moment) {
            self.put(seat);
        }
        let mut profile = ChatGroupProfile::nameless(self.kind);
        (profile.name, profile.created_at) = (name.to_owned(), second);
        let owner = owner.filter(|owner| self.world.knows(owner) && self.exit_of(owner) <= moment);
        let seat = owner.map(|owner| {
            let seat = Member::joined(owner.clone(), self.at);
            match self.members.remove(owner) {
                Some(later) => {
                    self.group.listed -= 1;
                    self.deltas.push(ChatGroupDelta::Left(owner.clone()));
                    if later.moment() > seat.moment() { later } else { seat }
                }
                None => seat,
            }
        });
        profile.set_owner(seat);
        self.set_profile(profile);
        self.begin(moment);
        self.add(members);
    }

    fn join(&mut self, users: &[UserId]) {
        let moment = self.moment(MomentKind::Join);
        if moment <= self.group.began {
            return;
        }
        if moment > self.group.joined {
            self.group.joined = moment;
            self.deltas.push(ChatGroupDelta::JoinNoted(moment));
        }
        self.exist();
        self.add(users);
    }

    fn leave(&mut self, users: &[UserId]) {
        let moment = self.moment(MomentKind::Exit);
        let profile = self.group.profile.as_ref();
        let is_earlier = profile
            .is_some_and(|profile| Moment::new(profile.created_at * 1_000, MomentKind::Creation) > moment);
        if moment <= self.group.began || is_earlier || self.has_no_list() {
            return;
        }
        // A chat group that was destroyed stays so, but one that nobody has mentioned exists.
        if !self.is_known {
            self.exist();
        }
        for user in users {
            self.note_exit(user);
            if let Some(profile) =
                self.group.profile.as_ref().filter(|profile| profile.owner.as_ref() == Some(user))
            {
                let mut profile = profile.clone();
                let seat = profile.take_owner();
                self.set_profile(profile);
                if let Some(seat) = seat.filter(|seat| seat.moment() > moment) {
                    self.put(seat);
                }
            } else if self.members.get(user).is_some_and(|member| member.moment() < moment) {
                self.remove(user);
            }
        }
    }

    fn destroy(&mut self) {
        let moment = self.moment(MomentKind::Destruction);
        if moment <= self.group.began {
            return;
        }
        let Some(profile) = self.group.profile.clone() else {
            if !self.is_known {
                self.reincarnate();
            }
            return self.begin(moment);
        };
        // A call or an import has created the chat group again since.
        if profile.created_at > moment.at() / 1_000 {
            return self.begin(moment);
        }
        self.end_before(moment);
        if let Some(seat) = profile.owner_seat().filter(|seat| seat.moment() > moment) {
            self.put(seat);
        }
        self.reincarnate();
        if self.members.is_empty() && self.group.joined < moment {
            self.group.profile = None;
            self.deltas.push(ChatGroupDelta::Destroyed(profile));
        } else {
            self.set_profile(ChatGroupProfile::nameless(self.kind));
        }
        self.begin(moment);
    }

    /// Removes everybody who joined before a moment. Returns whether anybody did.
    fn end_before(&mut self, moment: Moment) -> bool {
        let ended: Vec<UserId> = self
            .members
            .values()
            .filter(|member| member.moment() < moment)
            .map(|member| member.user.clone())
            .collect();
        let has_owner = self.group.profile.as_ref().is_some_and(|profile| profile.owner.is_some());
        if ended.len() == self.members.len() && !ended.is_empty() {
            self.members.clear();
            self.group.listed = 0;
            self.deltas.push(ChatGroupDelta::AllLeft);
        } else {
            for user in &ended {
                self.remove(user);
            }
        }
        has_owner || !ended.is_empty()
    }

    /// Makes users members from the time of the event on, unless they left later.
    fn add(&mut self, users: &[UserId]) {
        if self.has_no_list() {
            return;
        }
        for user in users {
            let seat = Member::joined(user.clone(), self.at);
            if !self.world.knows(user) || self.exit_of(user) > seat.moment() {
                continue;
            }
            let of_owner = self.group.profile.as_ref().filter(|profile| profile.owner.as_ref() == Some(user));
            match (of_owner, self.members.get(user)) {
                (Some(profile), _) => {
                    if profile.owner_seat().is_some_and(|known| known.moment() < seat.moment()) {
                        let mut profile = profile.clone();
                        profile.set_owner(Some(seat.with_card_of(&profile.details.owner)));
                        self.set_profile(profile);
                    }
                }
                (None, None) => self.put(seat),
                (None, Some(known)) if known.moment() < seat.moment() => {
                    let renewed = Member { admin: known.admin, ..seat.with_card_of(&known.details) };
                    self.members.insert(user.clone(), renewed.clone());
                    self.deltas.push(ChatGroupDelta::Amended(renewed));
                }
                (None, Some(_)) => {}
            }
        }
    }

    fn put(&mut self, member: Member) {
        self.members.insert(member.user.clone(), member.clone());
        self.group.listed += 1;
        self.deltas.push(ChatGroupDelta::Joined(member));
    }

    fn remove(&mut self, user: &UserId) {
        if self.members.remove(user).is_some() {
            self.group.listed -= 1;
            self.deltas.push(ChatGroupDelta::Left(user.clone()));
        }
    }

    fn exit_of(&self, user: &UserId) -> Moment {
        self.exits.get(user).map_or(Moment::default(), |at| Moment::new(*at, MomentKind::Exit))
    }

    fn note_exit(&mut self, user: &UserId) {
        let is_recent = self.at / 1_000 >= self.world.terms.now.saturating_sub(EXIT_SECONDS);
        if is_recent && self.exits.get(user).is_none_or(|known| *known < self.at) {
            self.exits.insert(user.clone(), self.at);
            self.deltas.push(ChatGroupDelta::ExitNoted(user.clone(), self.at));
        }
    }

    fn has_no_list(&self) -> bool {
        let kind = self.group.profile.as_ref().map_or(self.kind, |profile| profile.kind);
        kind == ChatGroupKind::AvChatRoom
    }

    /// Makes sure that the chat group exists. Its profile is unknown until its creation is reported.
    fn exist(&mut self) {
        if self.group.profile.is_none() {
            self.set_profile(ChatGroupProfile::nameless(self.kind));
        }
    }

    fn set_profile(&mut self, profile: ChatGroupProfile) {
        let before = self.group.profile.replace(profile.clone());
        if before.as_ref() != Some(&profile) {
            self.deltas.push(ChatGroupDelta::Profiled { before, profile });
        }
    }

    fn begin(&mut self, moment: Moment) {
        self.group.began = moment;
        self.deltas.push(ChatGroupDelta::Began(moment));
    }

    fn reincarnate(&mut self) {
        self.group.incarnation = self.group.incarnation.saturating_add(1).min(MAX_NUMBER);
        self.deltas.push(ChatGroupDelta::Reincarnated(self.group.incarnation));
    }
}

#[cfg(test)]
#[path = "chat_group_events_tests.rs"]
mod tests;
