"""German, with `du` and with `Sie`. The participle stands at the end: what was acted on comes before it."""

import re
from typing import Final

from assistant.mentor.claims.vocabulary import Language, Patterns, Word, build_words, read_words

_WORDS = build_words(
    {
        "S": "ich, wir",
        "H": "habe, hab, haben",
        "B": "wurde, wurden",
        "E": "ist, sind, steht, stehen, liegt, liegen",
        "n": "jetzt, nun, ab sofort, ab jetzt, inzwischen, soeben, hiermit",
        "X": """
            nicht, nichts, kein, keine, keinen, keiner, keinem, keines, nie, niemals, ohne, weder, noch nicht, noch
            kein, noch keine, noch keinen, noch nichts, statt
        """,
        "M": """
            werde, werden, wird, würde, würden, kann, können, könnte, könnten, soll, sollen, sollte, sollten,
            möchte, möchten, will, wollen, wollte, darf, dürfen, muss, müssen, müsste, lass, ließ, hätte, hätten,
            wäre, wären, versuche, versucht
        """,
        "I": """
            wenn, falls, sobald, nachdem, bevor, bis du, bis sie, ob, während, weil, da ich, seit du, seitdem, wie,
            warum, zum beispiel, beispielsweise, angenommen, wo, schreibt, schrieb, sagt
        """,
        "U": "du, ihr habt, habt ihr, er, man, sie haben, haben sie, hat",
        "r": "der du, die du, das du, den du, welche, welcher, welches",
        "A": """
            gleich, auch, schon, bereits, erfolgreich, dann, also, gern, gerne, okay, ok, super, alles klar, klar,
            ja, so, eben, gerade, sofort, direkt, noch, außerdem, zusätzlich, für dich, für sie, dir, ihnen, dich,
            uns, worden, wie gewünscht, wie besprochen, wie gebeten, wieder, einfach, soweit, damit, hier, mal, mir,
            endlich, automatisch, manuell, fest, neu, entsprechend, natürlich, zudem, ebenfalls, korrekt, richtig,
            ich bestätige, prima, perfekt, sehr gern, selbstverständlich, geschafft, zurück, mit, ab, um, an, hinzu
        """,
        "d": """
            ihr, der, die, den, dem, des, ein, eine, einen, einem, einer, eines, dein, deine, deinen, deinem,
            deiner, deines, ihre, ihren, ihrem, ihrer, ihres, mein, meine, unser, unsere, diese, diesen, dieses,
            dieser, diesem, neue, neuen, neues, neuer, neuem, alte, alten, altes, alle, allen, doppelte, doppelten,
            veraltete, veralteten, veraltetes, folgende, folgenden, weitere, weiteren, weiteres, jede, jeden, jeden
            tag, andere, anderen, offene, offenen, hohe, hoher, zwei deiner, drei deiner, einige, mehrere, kleine,
            kleinen, nächste, nächsten, nächster, nächstes, wöchentliche, tägliche, zusätzliche, gewünschte,
            gewünschten
        """,
        "p": "auf, in, im, zu, zum, zur, für, bei, aus, unter, ins, am, nach",
        "c": "als",
        "K": "erreicht, komplett, vollständig",
        "G": "konnte, konnten",
        "h": "hat jetzt, hat nun, haben jetzt, haben nun, läuft jetzt, läuft nun",
        "e": "jeder, jedes, jegliche",
        "&": "und, sowie",
        "D": """
            erledigt, fertig, ist erledigt, das ist erledigt, alles erledigt, ist gemacht, gemacht, schon passiert,
            ist passiert, darum gekümmert, mich darum gekümmert, mich gekümmert, vollbracht, ist fertig, umgesetzt,
            so gemacht
        """,
        "w": """
            gestern, vorgestern, vorhin, kürzlich, neulich, zuletzt, letzte woche, letzten monat, letztes jahr,
            letztes mal, woche entfernt, wochen entfernt, tag entfernt, tage entfernt, monate entfernt, damals,
            früher, zuvor, heute morgen, ursprünglich, seinerzeit, vor einer, vor einem, vor zwei, vor drei, vor
            vier, vor einigen, vor kurzem, vor wenigen
        """,
        "W": """
            am montag, am dienstag, am mittwoch, am donnerstag, am freitag, am samstag, am sonntag, letzten montag,
            letzten dienstag, letzten mittwoch, letzten donnerstag, letzten freitag, im januar, im februar, im märz,
            im april, im mai, im juni, im juli, im august, im september, im oktober, im november, im dezember, im
            jahr
        """,
        "y": "von, vom, durch",
        "b": "unten, oben, hier unten",
        "Z": """
            bestätigen, bestätige, bestätigst, bestätigt, zustimmst, zustimmen, zustimmung, freigabe, freigeben,
            freigibst, genehmigen, genehmigung, genehmigst, wartet, warten, erlaubnis, einverständnis
        """,
        "F": """
            frist, fristen, fälligkeitsdatum, fälligkeit, termin, deadline, enddatum, startdatum, zieldatum, datum,
            priorität, prioritäten, beschreibung, titel, namen, status, abgabetermin, stichtag, fälligkeitstermin
        """,
        "C": """
            zusammenfassung, zusammenfassungen, notizen, notiz, eine lektion, kurze lektion, beispielaufgabe,
            beispielaufgaben, übungsaufgabe, übungsaufgaben, rechenaufgabe, rechenaufgaben, testaufgabe,
            testaufgaben, matheaufgabe, matheaufgaben, denkaufgabe, denkaufgaben, beispiel, beispiele, erklärung,
            erklärungen, frage, fragen, übungsfragen, plan, lernplan, gliederung, tabelle, entwurf, schritt,
            schritte, schritten, wort, wörter, text, satz, sätze, quiz, übung, übungen, antwort, antworten,
            übersicht, überblick, karteikarten, abschnitt, absatz, diagramm, code, link, links, details, tipp,
            tipps, vorschlag, vorschläge, liste mit, checkliste, wochenplan, zeitplan, stellen, stelle, punkte,
            vergleich, vorlage, skizze, ideen, hinweis, hinweise, version, aufsatz, fahrplan, routine, anleitung
        """,
        "P": "es, s, das, sie, dies, alles, beides",
    },
    {
        "created": """
            angelegt, erstellt, hinzugefügt, eingetragen, eingerichtet, gespeichert, hochgeladen, ergänzt, erfasst,
            aufgenommen, notiert, vermerkt, eingeplant, eingestellt, aufgeschrieben, abgelegt, gesetzt für, erzeugt,
            hinterlegt, festgehalten, aufgesetzt, eröffnet, registriert, eingefügt, vorgemerkt, abgespeichert,
            gebucht, beigefügt, eingegeben, verbucht, protokolliert, geplant, dazugeschrieben, draufgesetzt,
            zugefügt
        """,
        "changed": """
            aktualisiert, geändert, gesetzt, verschoben, umbenannt, angepasst, bearbeitet, erhöht, gesenkt, verlegt,
            markiert, zugeordnet, verlängert, verkürzt, geöffnet, zurückgesetzt, verknüpft, ersetzt, korrigiert,
            gekennzeichnet, umgestellt, vorgezogen, hochgesetzt, heraufgesetzt, herabgesetzt, zugewiesen,
            überarbeitet, wiederhergestellt, rückgängig gemacht, gestellt, umgeändert, hochgestuft, heruntergestuft,
            verändert, festgelegt, geschoben, ausgetauscht, nachgetragen, umgeplant, angehoben, hinausgeschoben,
            umsortiert
        """,
        "completed": """
            abgeschlossen, abgehakt, geschlossen, beendet, vollendet, erfüllt, fertiggestellt
        """,
        "deleted": """
            gelöscht, entfernt, geleert, gestrichen, storniert, verworfen, archiviert, herausgenommen, rausgenommen,
            abgesagt, getilgt, weggenommen
        """,
        "sent": """
            geschickt, gesendet, benachrichtigt, informiert, verschickt, geteilt, eingeladen, weitergeleitet,
            abgeschickt, angeschrieben, kontaktiert, verständigt, gemailt, versendet, veröffentlicht, eingereicht
        """,
    },
    {
        "task": """
            aufgabe, aufgaben, todo, todos, to do, to dos, aufgabenliste, teilaufgabe, teilaufgaben
        """,
        "goal": "ziel, ziele, zielen, ziels, lernziel, lernziele, meilenstein, meilensteine",
        "progress": """
            fortschritt, fortschritte, lernfortschritt, fortschritts, lernstand, kursfortschritt
        """,
        "module": "modul, module, moduls, modulen, lektion, lektionen, einheit, kurseinheit",
        "document": """
            dokument, dokumente, dokuments, dokumenten, datei, dateien, pdf, unterlagen
        """,
        "it": "erinnerung, erinnerungen, wecker",
        "list": """
            deine liste, deiner liste, ihre liste, ihrer liste, die liste, der liste, deinem plan, deinen plan
        """,
        "space": "raum, deinem raum, deinen raum, ihrem raum, diesem raum, dem raum",
        "other": """
            einstellungen, einstellung, profil, konto, kalender, e mail, email, mail, nachricht, einladung, trainer,
            trainerin, coach, lehrer, lehrerin, lehrkraft, tutor, tutorin, team, abo, passwort, mitgliedschaft,
            termine, benachrichtigung, benachrichtigungen, veranstaltung, betreuer, betreuerin
        """,
    },
    ["zwei, beide, beiden", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun", "zehn"],
    infinitives={
        "created": """
            anlegen, erstellen, hinzufügen, eintragen, einrichten, speichern, hochladen, ergänzen, notieren,
            einplanen
        """,
        "changed": """
            aktualisieren, ändern, setzen, verschieben, umbenennen, anpassen, bearbeiten, erhöhen, markieren,
            verlängern
        """,
        "completed": "abschließen, abhaken, beenden, schließen",
        "deleted": "löschen, entfernen, streichen, archivieren",
        "sent": "schicken, senden, benachrichtigen, informieren, teilen",
    },
)

GERMAN: Final = Language(
    "de",
    _WORDS,
    Patterns(
        active=re.compile(
            r"(?:SH|HS|^[A&]{0,3}H(?!S))[^XMIUBESLQZG]{0,40}?(?P<v>[VD])|(?:SG|GS)[^XMIUBESLQZGV]{0,40}?(?P<x>R)"
        ),
        passive=re.compile(
            r"(?P<o>[NFT])[^IrUXMSVEZy]{0,30}B[^XMIUSyEZ]{0,20}?(?P<v>V)"
            r"|B[^XMIUSyEZrV]{0,12}?(?P<i>[NF])[^XMIUSyEZ]{0,20}?(?P<w>V)"
        ),
        resting=re.compile(r"(?P<o>[NFT])[^IrUXMSVBZy]{0,30}E[^XMIUSyZ.V]{0,12}?(?P<v>[VKD])"),
        placed=re.compile(
            r"(?P<o>[NT])[^IrUXMSVBEyZ]{0,30}(?:E[An]{0,4}p[dA]{0,4}[N#]|h[dK.A]{0,4}F)"
            r"|(?P<f>F)[^IrUXMSVBEy]{0,30}En"
        ),
        elliptic=re.compile(
            r"^[An&]{0,4}(?:[d#]{0,5}(?P<o>[NFT])[T#]?[pcKAn#dNFT%.]{0,9}?(?P<v>V)(?=(?:[AnKcbT#%]|p[d#A.NFKT%]{0,5}){0,5}$)"
            r"|(?:cK)?(?P<w>V)(?=A{0,2}$|A{0,2}T))"
        ),
    ),
    orders=read_words("""
        füge füg hinzufügen lege leg anlegen erstelle erstell erstellen setze setz setzen markiere markier markieren
        ändere ändern aktualisiere aktualisieren verschiebe verschieb verschieben lösche lösch löschen entferne
        entfernen abschließen hake abhaken trage trag eintragen erinnere erinner erinnern speichere speichern plane
        schick schicke benenne umbenennen stell stelle archiviere erledige abgeschlossen beendet erhöhe neue neues
        anzulegen hinzuzufügen einzutragen notiere vermerke
    """),
    agreeing=read_words("ja jo jep klar gern gerne okay ok bitte los mach genau natürlich unbedingt einverstanden"),
    asking=read_words("""
        hast haben habt hat wie was warum wann wo wer welche welcher welches ist sind wurde wurden war waren
    """),
    verb_last=True,
    endings={
        "aufgabe": Word("N", "task"),
        "aufgaben": Word("N", "task"),
        "ziel": Word("N", "goal"),
        "ziele": Word("N", "goal"),
        "modul": Word("N", "module"),
        "dokument": Word("N", "document"),
        "fortschritt": Word("N", "progress"),
        "erinnerung": Word("N", "it"),
        "fragen": Word("C"),
        "plan": Word("C"),
    },
)
