"""English."""

import re
from typing import Final

from assistant.mentor.claims.vocabulary import Language, Patterns, build_words, read_words

_WORDS = build_words(
    {
        "S": "i, we have, we ve",
        "H": "have, ve",
        "B": """
            has been, have been, that s been, was, were, s been, ve been, got, has now been, have now been, has just
            been, have just been, has also been, have also been, has already been, have already been
        """,
        "E": "is, are",
        "n": "now, from now on",
        "X": """
            not, no, never, nothing, none, neither, nor, t, cannot, without, unable, failed, fail, instead of
        """,
        "M": """
            will, ll, would, d, could, can, may, might, should, shall, must, going to, about to, want, wanted, need,
            needs, let, lets, able, try, tried, trying, ready, be, happy
        """,
        "I": """
            if, once, when, whenever, after, before, until, till, unless, whether, while, as soon as, had, suppose,
            in case, because, since, how, where, wherever, for example, imagine, says, say, said, wrote
        """,
        "U": "you, we, he, she, they",
        "r": "that, which, who",
        "A": """
            just, also, already, successfully, then, so, too, okay, ok, sure, great, perfect, right, alright, yes,
            well, quickly, directly, gladly, happily, additionally, went ahead and, gone ahead and, gone through
            and, went through and, gone in and, gone back and, as requested, as you asked, for you, for me, as well,
            finally, immediately, accordingly, properly, correctly, manually, officially, i can confirm, i can
            confirm that, i confirm that, i m happy to say, here, simply, hereby, safely, personally, got it,
            success, sure thing, of course, been
        """,
        "d": """
            a, an, the, your, my, our, another, new, old, all, each, duplicate, outdated, other, existing, first,
            last, next, recurring, weekly, daily, high, of, reading, follow, up, some, several, few, following,
            small, short, separate, more, additional, practice, study, learning, s
        """,
        "p": """
            to, on, in, into, from, for, at, with, under, by one, by a, by an, by another, over, off
        """,
        "c": "as, to be, off as",
        "K": "complete, accomplished",
        "G": """
            was able to, were able to, managed to, have managed to, ve managed to, just managed to
        """,
        "h": "now has, has now, now runs, now carries",
        "e": "every, any, whichever, whatever",
        "&": "and, plus",
        "D": """
            done, it s on your list, it s on the list, it s now on your list, it s in your list, all done, all set,
            it s done, that s done, that is done, it is done, consider it done, done that, done it, taken care of
            it, taken care of that, took care of it, took care of that, handled it, handled that, sorted it, made
            the change, made the changes, made that change, made those changes, did it, did that, done so
        """,
        "w": """
            yesterday, ago, earlier, previously, last week, last month, last year, last time, away, passed, overdue,
            originally, recently, in the past, back in, this morning, before that
        """,
        "W": """
            on monday, on tuesday, on wednesday, on thursday, on friday, on saturday, on sunday, last monday, last
            tuesday, last wednesday, last thursday, last friday, last saturday, last sunday, in january, in
            february, in march, in april, in may, in june, in july, in august, in september, in october, in
            november, in december, last updated, last changed, last modified, first created
        """,
        "y": "by",
        "b": "below, above",
        "Z": """
            approve, approval, confirm, confirmation, waiting, awaits, awaiting, pending, permission, consent, for
            review
        """,
        "F": """
            due date, due dates, deadline, deadlines, target date, end date, start date, date, priority, priorities,
            description, title, name, status, importance, category
        """,
        "C": """
            summary, summaries, notes, note, practice task, practice tasks, practice problem, practice problems,
            problem, problems, sample task, sample tasks, writing task, writing tasks, lesson plan, short lesson,
            lesson on, a lesson, example, examples, explanation, explanations, question, questions, plan, plans,
            outline, table, draft, steps, step, word, words, text, sentence, sentences, quiz, exercise, exercises,
            answer, answers, schedule, roadmap, overview, flashcards, section, paragraph, diagram, code, story,
            link, links, detail, details, tip, tips, suggestion, suggestions, proposal, version, list of, checklist,
            notes on, mind map, routine, passage, passages, key points, points, comparison, essay, template, sketch,
            ideas, idea, bit, context, comments, list
        """,
        "P": "it, this, them, everything, those, one, these",
    },
    {
        "created": """
            added, created, made, opened, set up, put, entered, scheduled, saved, stored, recorded, logged, noted,
            registered, uploaded, inserted, planned, booked, written down, wrote down, noted down, put down,
            started, duplicated, copied, enrolled, jotted down, filed, placed, included, stuck, popped, set a
        """,
        "changed": """
            updated, changed, set, moved, renamed, adjusted, edited, modified, raised, lowered, increased,
            decreased, reduced, bumped, rescheduled, postponed, extended, shortened, marked, assigned, linked,
            switched, corrected, reopened, reassigned, reset, attached, replaced, tagged, pushed, pushed back,
            shifted, advanced, brought forward, restored, undone, reverted, prioritized, prioritised, revised,
            amended, tweaked, converted, split, merged, reordered, bumped up, flagged, synced, fixed, applied
        """,
        "completed": """
            completed, finished, closed, ticked off, checked off, crossed off, ticked, achieved, finalized,
            finalised, marked off, wrapped up, signed off, concluded, ticked it off, checked it off, crossed it off,
            marked it off, closed it out
        """,
        "deleted": """
            deleted, removed, cleared, dropped, cancelled, canceled, erased, discarded, archived, taken off, took
            off, emptied, purged, unlinked, trashed
        """,
        "sent": """
            sent, emailed, e mailed, mailed, notified, informed, messaged, contacted, shared, invited, forwarded,
            submitted, published, texted, alerted
        """,
    },
    {
        "task": """
            task, tasks, to do, to dos, todo, todos, assignment, assignments, action item, subtask, subtasks, task
            list, tasks list, to do list, todo list, your task list, your to do list, your list of tasks, the task
            list, your tasks
        """,
        "goal": "goal, goals, objective, objectives, milestone, milestones",
        "progress": "progress, percentage, completion",
        "module": "module, modules, unit, units, lesson, lessons",
        "document": "document, documents, pdf, file, files",
        "it": "reminder, reminders, alarm",
        "list": "your list, the list, your calendar list, your plan, my list",
        "space": "your space, this space, the space, space s",
        "other": """
            settings, setting, profile, account, preferences, preference, calendar, email, mail, message,
            invitation, coach, teacher, tutor, instructor, team, subscription, password, membership, collaborator,
            collaborators, event, appointment, meeting, notification, notifications, spreadsheet
        """,
    },
    ["two, both, couple of, a couple of", "three", "four", "five", "six", "seven", "eight", "nine", "ten"],
    infinitives={
        "created": "add, create, make, save, record, enter, upload",
        "changed": """
            update, change, move, rename, adjust, mark, reschedule, edit, reopen, extend
        """,
        "completed": "finish, close, tick off, check off",
        "deleted": "delete, remove, clear, cancel, archive",
        "sent": "send, notify, inform, share, invite",
        "done": "do it, do that",
    },
)

ENGLISH: Final = Language(
    "en",
    _WORDS,
    Patterns(
        active=re.compile(r"S[HAn]{0,6}(?P<v>[VD])|S[HAn]{0,3}G[An]{0,2}(?P<x>R)"),
        passive=re.compile(
            r"(?P<o>[NFTP])[^IrUXMSVBEyZ]{0,30}B[HAn]{0,6}(?P<v>V)|B[HAn]{0,6}(?P<k>V)p[dA]{0,3}(?P<l>N)"
        ),
        resting=re.compile(r"(?P<o>[NFT])[^IrUXMSVBEyZ]{0,30}[EB][An]{0,6}(?P<v>[VKD])"),
        placed=re.compile(
            r"(?P<o>[NT])[^IrUXMSVBEyZ]{0,30}(?:E[An]{0,4}(?:p[dA]{0,4}[N#]|[dA]{0,2}#)|h[dK.A]{0,4}F)"
            r"|(?P<f>F)[^IrUXMSVBEy]{0,30}En"
        ),
        elliptic=re.compile(
            r"^[An&]{0,4}(?:[d#]{0,5}(?P<o>[NF])[T#]?[An]{0,3}(?P<v>V)(?=(?:[AnKcbT#%]|p[d#A.NFKT%]{0,5}){0,5}$)"
            r"|(?P<w>V)(?=[d#]{1,4}N|N[T#]|N$|P[pd]{1,3}N|A{0,2}T|A{0,2}$|cK))"
        ),
    ),
    orders=read_words("""
        add create set put mark update change move delete remove complete finish rename reschedule remind save upload
        send tick schedule record log raise lower postpone extend assign enter note register archive cancel finished
        completed insert edit adjust
    """),
    agreeing=read_words("yes yep yeah yup sure ok okay please go do absolutely definitely right correct"),
    asking=read_words("did have has was were how what which why when where who is are do does had"),
    imperatives=frozenset({"set", "put", "split", "reset"}),
)
