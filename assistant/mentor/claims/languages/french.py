"""French, with `tu` and with `vous`."""

import re
from typing import Final

from assistant.mentor.claims.vocabulary import Language, Patterns, build_words, inflect, read_words

_PARTICIPLE: Final = "-, e, s, es"

_WORDS = build_words(
    {
        "S": "j, je, nous",
        "H": "ai, avons",
        "B": """
            a été, ont été, vient d être, viennent d être, a bien été, ont bien été, a donc été, a aussi été, a déjà
            été
        """,
        "E": "est, sont, figure, figurent, se trouve, reste",
        "G": """
            viens de, venons de, viens d, venons d, ai pu, avons pu, ai réussi à, viens tout juste de, viens juste
            de
        """,
        "n": "maintenant, désormais, à présent, dorénavant",
        "X": "n, ne, pas, jamais, rien, aucun, aucune, sans, ni, impossible, au lieu de",
        "M": """
            vais, allons, peuvent, pouvez, doivent, doit, être, va, peux, pouvons, peut, pourrais, pourrait,
            pourrions, veux, voulez, voudrais, souhaitez, dois, devrais, devons, laisse moi, laissez moi, aurais,
            aurait, avais, avait, avions, aura, sera, seront, aurai, essayé, permettez moi, propose, proposons
        """,
        "I": """
            si, s il, quand, lorsque, lorsqu, une fois, dès que, dès qu, après que, après avoir, après, avant, avant
            de, avant que, jusqu, tant que, pendant que, parce que, car, comment, où, par exemple, dit, écrit que,
            pour avoir
        """,
        "U": "tu, vous avez, as, avez, il, elle, ils, elles, on",
        "r": "que, qui, dont",
        "A": """
            bien, donc, aussi, également, déjà, avec succès, alors, puis, ok, okay, d accord, très bien, parfait,
            super, oui, t, te, vous, l, la, le, les, lui, leur, y, pour toi, pour vous, comme demandé, comme
            convenu, tout de suite, juste, tout juste, directement, correctement, ensuite, en plus, bien sûr,
            volontiers, génial, entendu, c est bon, enfin, automatiquement, immédiatement, je confirme que, je vous
            confirme que, je te confirme que, été, bonne idée, ici, simplement
        """,
        "d": """
            un, une, des, ton, ta, tes, votre, vos, son, sa, ses, mon, ma, notre, nos, ce, cette, ces, cet, nouveau,
            nouvel, nouvelle, nouvelles, nouveaux, autre, autres, ancien, ancienne, anciens, toutes, tous,
            suivantes, suivante, suivants, de, d, du, première, dernière, prochaine, petite, plusieurs, quelques,
            double
        """,
        "p": """
            à, au, aux, dans, sur, pour, avec, sous, en, parmi, de ta, de votre, de l, du module
        """,
        "c": "comme, en tant que",
        "h": "a maintenant, a désormais, ont maintenant, ont désormais",
        "e": "chaque",
        "K": "faite, faites, faits, complète, complet, atteint",
        "&": "et, ainsi que",
        "D": """
            voilà, fait, c est fait, voilà c est fait, c est chose faite, m en suis occupé, m en suis occupée, m en
            suis chargé, m en suis chargée, tout est prêt, tout est fait, fait cela, fait ça, l ai fait, le
            nécessaire, fait le nécessaire
        """,
        "w": """
            hier, avant hier, auparavant, plus tôt, tout à l heure, il y a, la semaine dernière, le mois dernier, l
            an dernier, l année dernière, la dernière fois, pour la dernière fois, lundi dernier, récemment, à l
            origine, ce matin, jadis, précédemment
        """,
        "W": """
            en janvier, en février, en mars, en avril, en mai, en juin, en juillet, en août, en septembre, en
            octobre, en novembre, en décembre, créée lundi, créée mardi, créée mercredi, créée jeudi, créée
            vendredi, créé lundi, ajoutée lundi, ajoutée mardi
        """,
        "y": "par",
        "b": "ci dessous, ci dessus, plus bas, plus haut, en gras",
        "Z": """
            approuver, approuves, approuvez, approuve, approbation, accord, valider, valides, validez, validation,
            confirmer, confirmes, confirmez, confirmation, attend, attente, autorisation, permission, approuvée,
            approuvé
        """,
        "F": """
            échéance, échéances, date d échéance, date limite, date, dates, délai, priorité, priorités, description,
            titre, nom, statut, date de fin
        """,
        "C": """
            résumé, résumés, notes, note, une leçon, courte leçon, plan de leçon, exemple, exemples, explication,
            explications, question, questions, plan, plans, plan d étude, tableau, brouillon, étape, étapes, mot,
            mots, texte, phrase, phrases, quiz, exercice, exercices, réponse, réponses, emploi du temps, aperçu,
            fiches, section, paragraphe, schéma, code, lien, liens, détail, détails, conseil, conseils, suggestion,
            suggestions, proposition, propositions, version, liste de contrôle, comparaison, modèle, idées, passage,
            passages, points, planning, programme, routine
        """,
        "P": "cela, ça, tout, ceci",
    },
    {
        "created": inflect(
            """
                créé, ajouté, enregistré, programmé, noté, téléversé, inscrit, planifié, sauvegardé, consigné,
                ouvert, intégré, inséré, téléchargé, prévu, stocké, déposé, rajouté, établi, importé, configuré,
                fixé
            """,
            _PARTICIPLE,
        ),
        "changed": inflect(
            """
                modifié, changé, déplacé, renommé, ajusté, adapté, édité, augmenté, réduit, repoussé, reporté,
                marqué, assigné, rattaché, corrigé, rouvert, réinitialisé, avancé, prolongé, remplacé, passé,
                relevé, baissé, décalé, actualisé, associé, attribué, replanifié, reprogrammé, restauré, défini,
                réglé, remis, retardé, porté
            """,
            _PARTICIPLE,
        )
        + ", mis, mise, mises, mis à jour, mise à jour, mises à jour, fait passer",
        "completed": inflect("terminé, clôturé, coché, achevé, fini, complété, bouclé, clos, validé", _PARTICIPLE),
        "deleted": inflect(
            "supprimé, effacé, retiré, vidé, annulé, archivé, enlevé, ôté, éliminé",
            _PARTICIPLE,
        ),
        "sent": inflect(
            """
                envoyé, prévenu, averti, informé, partagé, invité, transmis, contacté, notifié, publié, écrit à
            """,
            _PARTICIPLE,
        ),
    },
    {
        "task": """
            tâche, tâches, liste de tâches, ta liste de tâches, votre liste de tâches, la liste de tâches, devoir,
            devoirs, sous tâche, sous tâches
        """,
        "goal": "objectif, objectifs, but, buts, jalon, jalons",
        "progress": "progression, avancement, progrès, pourcentage",
        "module": "module, modules, unité, unités, leçon, leçons",
        "document": "document, documents, pdf, fichier, fichiers",
        "it": "rappel, rappels, alarme",
        "list": "ta liste, votre liste, la liste, ton plan, votre plan",
        "space": "espace, ton espace, votre espace, cet espace",
        "other": """
            paramètres, réglages, profil, compte, préférences, calendrier, agenda, courriel, e mail, email, mail,
            message, invitation, entraîneur, entraîneuse, enseignant, enseignante, professeur, professeure, tuteur,
            tutrice, équipe, abonnement, mot de passe, événement, rendez vous, notification, notifications, prof,
            coach
        """,
    },
    ["deux, les deux", "trois", "quatre", "cinq", "six", "sept", "huit", "neuf", "dix"],
    infinitives={
        "created": "créer, ajouter, enregistrer, programmer, noter, inscrire, planifier",
        "changed": """
            modifier, changer, déplacer, renommer, mettre à jour, marquer, reporter, repousser, passer
        """,
        "completed": "terminer, clôturer, cocher, achever",
        "deleted": "supprimer, effacer, retirer, archiver, enlever",
        "sent": "envoyer, prévenir, informer, partager",
        "done": "le faire",
    },
)

FRENCH: Final = Language(
    "fr",
    _WORDS,
    Patterns(
        active=re.compile(r"SA{0,4}H[An]{0,4}(?P<v>[VDK])|SA{0,4}GA{0,3}(?P<x>R)|S(?P<y>D)"),
        passive=re.compile(
            r"(?P<o>[NFT])[^IrUXMSHVEZy]{0,30}B[HAn]{0,4}(?P<v>V)|B[HAn]{0,6}(?P<k>V)p[dA]{0,3}(?P<l>N)"
        ),
        resting=re.compile(r"(?P<o>[NFT])[^IrUXMSHVBEZy]{0,30}[EB][An]{0,4}(?P<v>[VKD])"),
        placed=re.compile(
            r"(?P<o>[NT])[^IrUXMSVBEyZ]{0,30}(?:E[An]{0,4}p[dA]{0,4}[N#]|h[dK.A]{0,4}F)"
            r"|(?P<f>F)[^IrUXMSVBEy]{0,30}En"
        ),
        elliptic=re.compile(
            r"^[An&]{0,4}(?:[d#A]{0,5}(?P<o>[NF])[T#]?[An]{0,3}(?P<v>V)(?=(?:[AnKcbT#%]|p[d#A.NFKT%]{0,5}){0,5}$)"
            r"|(?P<w>V)(?=[d#]{1,4}N|N[T#]|N$|A{0,2}T|A{0,2}$|cK))"
        ),
    ),
    orders=read_words("""
        ajoute ajoutez crée créez mets mettez marque marquez modifie modifiez change changez déplace déplacez supprime
        supprimez efface effacez coche cochez rappelle rappelez enregistre enregistrez programme renomme ajouter créer
        mettre marquer modifier changer déplacer supprimer effacer terminer cocher enregistrer programmer renommer
        reporter repousser envoyer terminé fini note notez
    """),
    agreeing=read_words("oui ok okay vas allez fais faites volontiers parfait d entendu"),
    asking=read_words("""
        as avez a ont comment que quel quelle quels quelles quand où qui pourquoi est sont combien
    """),
)
