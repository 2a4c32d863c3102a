"""Notices: messages to people, in English or Russian. Short, no secret, with what to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from deployments.errors import HomeguruError
from deployments.health.alerts import Kind, News
from deployments.messages.report import Report
from deployments.planning.plan import Plan
from deployments.release.manifest import Manifest
from deployments.verbs import traits

Language = Literal["en", "ru"]
Level = Literal["info", "success", "warning", "failure"]

LONGEST = 1500
"""Characters of an error's text; Telegram takes 4096 in all."""


@dataclass(frozen=True)
class Notice:
    """A title of one line and a few lines of text."""

    level: Level
    title: str
    body: str


@dataclass(frozen=True)
class Asker:
    """Who requested a run, and where its log is; empty when there is no page."""

    who: str
    page: str = ""


_WORDS: dict[str, tuple[str, str]] = {
    "deploy": ("deployed", "развёрнут релиз"),
    "rollback": ("rolled back to", "откат на релиз"),
    "migrate": ("database migrated for", "база данных мигрирована для релиза"),
    "adopt": ("recorded as", "принято под управление как"),
    "restore": ("a backup was restored under", "восстановлена копия базы, релиз"),
    "rotate": ("a secret has another value; it runs as", "секрет заменён; работает релиз"),
    "heal": ("brought back to", "возвращён релиз"),
    "maintenance-on": (
        "maintenance is on, every request is answered with 503; below it runs",
        "включён режим обслуживания, на все запросы ответ 503; под ним работает релиз",
    ),
    "maintenance-off": (
        "maintenance is off, the services answer again; it runs",
        "режим обслуживания выключен, сервисы снова отвечают; работает релиз",
    ),
    "reason": ("reason: {text}", "причина: {text}"),
    "secret": ("secret: {text}", "секрет: {text}"),
    "failed": ("{verb} failed", "не удалось: {verb}"),
    "published": ("published", "опубликован релиз"),
    "build failed": ("build failed", "сборка не удалась"),
    "waits": ("a plan waits for approval", "план ждёт одобрения"),
    "not approved": ("the plan was not approved", "план не одобрен"),
    "down": ("something is wrong", "что-то не так"),
    "worse": ("more is wrong", "добавились неполадки"),
    "still": ("still wrong after {time}", "всё ещё не так, уже {time}"),
    "flapping": ("comes and goes", "то ломается, то работает"),
    "recovered": ("well again after {time}", "снова в порядке через {time}"),
    "by": ("by {who}", "запустил: {who}"),
    "took": ("{seconds:.0f} s", "{seconds:.0f} с"),
    "revision": ("database revision {revision}", "ревизия базы данных {revision}"),
    "changed": ("replaced: {names}", "заменены: {names}"),
    "server": ("server: {text}", "сервер: {text}"),
    "next": ("next: {text}", "дальше: {text}"),
    "back": (
        "to go back: homeguru rollback {previous} --env {name}",
        "чтобы вернуться: homeguru rollback {previous} --env {name}",
    ),
    "look": (
        "look: homeguru status --env {name}; take it back: homeguru deploy current --env {name}",
        "посмотреть: homeguru status --env {name}; исправить: homeguru deploy current --env {name}",
    ),
    "quiet": (
        "no more of it until it has been steady for an hour",
        "больше об этом не сообщается, пока час не будет спокойно",
    ),
    "healing": (
        "the current release is deployed again now",
        "сейчас текущий релиз разворачивается заново",
    ),
    "was": ("it was: {names}", "было: {names}"),
    "commit": ("commit {commit} by {author}", "коммит {commit}, автор {author}"),
    "answer": ("answer within {minutes} min", "ответьте в течение {minutes} мин"),
    "hours": ("{n} h", "{n} ч"),
    "minutes": ("{n} min", "{n} мин"),
}


@dataclass(frozen=True)
class Writer:
    """Writes notices of one environment in one language."""

    environment: str
    language: Language

    def done(self, report: Report, asker: Asker) -> Notice:
        """A verb that changed the server."""
        plan, does = report.plan, traits(report.plan.verb)
        unchanged = {name for name, _ in plan.unchanged}
        changed = [name for name, _ in plan.images if name not in unchanged]
        lines = [
            f"{self._say('by', who=asker.who)}, {self._say('took', seconds=report.seconds)}",
            self._say("secret" if does.rotates else "reason", text=plan.reason)
            if plan.reason
            else "",
            self._say("revision", revision=report.revision.after) if report.revision.after else "",
            self._say("changed", names=", ".join(changed)) if changed else "",
            *[f"{name}: {url}" for name, url in sorted(report.urls.items())],
            self._say("back", previous=plan.previous, name=self.environment)
            if _can_go_back(plan)
            else "",
            asker.page,
        ]
        what = plan.steps[0].kind if does.switches_maintenance else plan.verb
        return self._notice("success", f"{self._say(what)} {plan.release}", lines)

    def failed(self, verb: str, error: HomeguruError, asker: Asker) -> Notice:
        """A verb that did not end well; the text holds a container's last lines."""
        lines = [
            _cut(error.what),
            self._say("server", text=error.state) if error.state else "",
            self._say("next", text=error.todo) if error.todo else "",
            self._say("by", who=asker.who), asker.page,
        ]  # fmt: skip
        title = (
            self._say("build failed")
            if traits(verb).only_publishes
            else self._say("failed", verb=verb)
        )
        return self._notice("failure", title, lines)

    def published(self, manifest: Manifest, asker: Asker) -> Notice:
        """Images that were built, or found unchanged."""
        commit = self._say("commit", commit=manifest.commit[:12], author=manifest.author)
        title = f"{self._say('published')} {manifest.name}"
        return self._notice("success", title, [commit, self._say("by", who=asker.who), asker.page])

    def waits(self, plan: Plan, minutes: int, asker: Asker) -> Notice:
        """A plan that a person must approve."""
        lines = [
            f"{plan.previous or '-'} -> {plan.release}",
            *[f"{what}: {why}" if what else f"  {why}" for what, why in plan.lines()],
            self._say("by", who=asker.who), self._say("answer", minutes=minutes), asker.page,
        ]  # fmt: skip
        return self._notice("warning", self._say("waits"), lines)

    def not_approved(self, error: HomeguruError, asker: Asker) -> Notice:
        """Nobody approved in time, or somebody refused."""
        lines = [error.what, self._say("by", who=asker.who), asker.page]
        return self._notice("warning", self._say("not approved"), lines)

    def news(self, news: News, *, healing: bool, page: str) -> Notice:
        """What changed since the last look."""
        title = self._say(news.kind, time=self._time(news.seconds))
        if news.kind == "recovered":
            problems = self._say("was", names=", ".join(news.problems))
            return self._notice("success", title, [problems, page])
        lines = [*news.problems, self._say("quiet") if news.kind == "flapping" else ""]
        todo = self._say("healing") if healing else self._say("look", name=self.environment)
        return self._notice(_LEVELS[news.kind], title, [*lines, todo, page])

    def _notice(self, level: Level, title: str, lines: list[str]) -> Notice:
        return Notice(level, f"{self.environment}: {title}", "\n".join(filter(None, lines)))

    def _say(self, words: str, **values: object) -> str:
        return _WORDS[words][self.language == "ru"].format(**values)

    def _time(self, seconds: float) -> str:
        minutes = max(1, round(seconds / 60))
        if minutes < 120:
            return self._say("minutes", n=minutes)
        return self._say("hours", n=round(minutes / 60))


_LEVELS: dict[Kind, Level] = {
    "down": "failure", "worse": "failure", "still": "failure", "flapping": "warning",
    "recovered": "success",
}  # fmt: skip


def _can_go_back(plan: Plan) -> bool:
    """Whether another release ran before, to which a person may want to return."""
    does = traits(plan.verb)
    return does.goes_on and not does.rotates and plan.previous not in (None, plan.release)


def _cut(text: str) -> str:
    """The end of a long text: what failed comes last."""
    return text if len(text) <= LONGEST else f"...{text[-LONGEST:]}"
