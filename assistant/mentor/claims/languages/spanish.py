"""Spanish, with `tú` and with `usted`, and the words of both sides of the Atlantic."""

import re
from typing import Final

from assistant.mentor.claims.vocabulary import Language, Patterns, build_words, inflect, read_words

_PARTICIPLE: Final = "o, a, os, as"

_WORDS = build_words(
    {
        "H": "he, hemos",
        "S": "yo",
        "B": """
            ha sido, han sido, fue, fueron, se ha, se han, ha quedado, han quedado, quedó, quedaron, queda, quedan,
            te ha sido, acaba de ser
        """,
        "E": "está, están, es ahora",
        "s": "se",
        "G": """
            acabo de, acabamos de, he podido, hemos podido, pude, pudimos, logré, he logrado, conseguí, he
            conseguido
        """,
        "j": "ya",
        "n": "ahora, a partir de ahora, desde ahora",
        "X": """
            no, nunca, nada, ningún, ninguno, ninguna, ningunos, ningunas, tampoco, sin, ni, jamás, aún no, todavía
            no, en lugar de
        """,
        "M": """
            voy a, pueden, deben, debe, deberán, vamos a, va a, puedo, podemos, podría, podrías, podríamos, puedes,
            puede, quiero, quieres, quiere, quisiera, querría, debo, debería, deberías, déjame, deja que, permíteme,
            podré, pudo, intenté, intento, haya, hayas, hayan, hayamos, hubiera, hubiese, hubieras, habría, habré,
            necesito, necesita, a punto de, será, serán
        """,
        "I": """
            si, cuando, una vez que, una vez, en cuanto, después de que, después de, antes de que, antes de, hasta
            que, mientras, aunque, como si, porque, cómo, dónde, por ejemplo, dice, dijo, escribió
        """,
        "U": "tú, usted, ustedes, ellos, ellas, él, ella, has, ha, han, hay",
        "r": "que, cual, quien",
        "A": """
            también, correctamente, bien, con éxito, exitosamente, entonces, así, pues, vale, ok, okay, claro,
            perfecto, de acuerdo, genial, sí, por ti, para ti, para usted, te, le, la, los, las, me, nos, además,
            recién, enseguida, directamente, como pediste, como pidió, tal como pediste, confirmo que, por supuesto,
            aquí, ya mismo, les, simplemente, acá, finalmente, debidamente, satisfactoriamente, automáticamente,
            inmediatamente, muy bien, estupendo, sido
        """,
        "d": """
            el, un, una, unos, unas, tu, tus, su, sus, mi, mis, nuestro, este, esta, estos, estas, esa, ese, esos,
            esas, aquella, aquel, nuevo, nueva, nuevos, nuevas, otro, otra, otros, otras, todas, todos, siguiente,
            siguientes, duplicada, duplicado, antiguo, antigua, primera, primer, última, último, de tus, varias,
            varios, algunas, pequeña, del, de, semanal, diaria, próxima, próximo
        """,
        "p": "a, al, en, para, por, entre, con, bajo, sobre",
        "c": "como",
        "h": "tiene ahora, ahora tiene, tienen ahora, ahora tienen, pasa a tener",
        "e": "cada, cualquier",
        "K": """
            completa, completo, lograda, logrado, alcanzada, alcanzado, hechas, hechos
        """,
        "&": "y, e",
        "D": """
            hecho, hecha, listo, lista, ya está hecho, está hecho, ya está listo, todo listo, todo hecho, lo hice,
            me he encargado, me he ocupado, me encargué, me ocupé, me he encargado de ello, dado por hecho, lo he
            hecho, hecho eso
        """,
        "w": """
            ayer, anteayer, anoche, antes, hace, la semana pasada, el mes pasado, el año pasado, por última vez, la
            última vez, recientemente, anteriormente, originalmente, esta mañana, en su día
        """,
        "W": """
            el lunes, el martes, el miércoles, el jueves, el viernes, el sábado, el domingo, en enero, en febrero,
            en marzo, en abril, en mayo, en junio, en julio, en agosto, en septiembre, en octubre, en noviembre, en
            diciembre
        """,
        "y": "por tu, por su, por el, por la, por los, por las, por un, por una",
        "b": "abajo, arriba, a continuación, más abajo, debajo",
        "Z": """
            aprobar, apruebes, apruebas, apruebe, aprueba, apruébala, apruébalo, aprobación, confirmar, confirma,
            confirmes, confirme, confírmalo, confírmala, confirmación, pendiente, espera, esperando, permiso,
            autorización, autorices
        """,
        "F": """
            fecha límite, fechas límite, fecha de vencimiento, fecha de entrega, fecha, fechas, plazo, vencimiento,
            prioridad, prioridades, descripción, título, nombre, estado
        """,
        "C": """
            resumen, resúmenes, apuntes, nota, notas, tareas de práctica, tarea de práctica, una lección, lección
            breve, plan de lección, ejemplo, ejemplos, explicación, explicaciones, pregunta, preguntas, plan,
            planes, esquema, tabla, borrador, paso, pasos, palabra, palabras, texto, frase, frases, cuestionario,
            ejercicio, ejercicios, respuesta, respuestas, horario, calendario de estudio, párrafo, sección,
            diagrama, código, enlace, enlaces, detalle, detalles, consejo, consejos, sugerencia, sugerencias,
            propuesta, versión, lista de comprobación, lista con, cuadro, comparación, plantilla, ideas, idea,
            pasaje, pasajes, puntos, tarjetas, guía, rutina, cronograma
        """,
        "P": "lo, eso, esto, todo, ello",
    },
    {
        "created": inflect(
            """
                cread, añadid, agregad, guardad, programad, registrad, apuntad, anotad, incluid, planificad,
                almacenad, incorporad, introducid, ingresad, sumad, establecid, generad, configurad, fijad, agendad,
                metid, insertad
            """,
            _PARTICIPLE,
        )
        + ", abierto, abierta, inscrito, inscrita, dado de alta",
        "changed": inflect(
            """
                actualizad, cambiad, movid, renombrad, ajustad, editad, modificad, subid, bajad, aumentad, reducid,
                aplazad, pospuest, marcad, asignad, vinculad, corregid, reabiert, restablecid, reprogramad,
                adelantad, retrasad, ampliad, puest, reemplazad, sustituid, prorrogad, trasladad, pasad, dejad,
                revertid, deshech, elevad, acortad, alargad, adaptad, asociad, postergad, vuelt, colocad
            """,
            _PARTICIPLE,
        ),
        "completed": inflect(
            "completad, cerrad, terminad, finalizad, tachad, concluid, cumplid, acabad",
            _PARTICIPLE,
        ),
        "deleted": inflect(
            """
                eliminad, borrad, quitad, suprimid, vaciad, cancelad, descartad, archivad, retirad, anulad
            """,
            _PARTICIPLE,
        ),
        "sent": inflect(
            """
                enviad, avisad, notificad, informad, compartid, invitad, reenviad, mandad, contactad, publicad,
                entregad
            """,
            _PARTICIPLE,
        )
        + ", escrito a",
    },
    {
        "task": """
            tarea, tareas, pendientes, lista de tareas, tu lista de tareas, su lista de tareas, la lista de tareas,
            actividad, actividades, subtarea, subtareas, deberes
        """,
        "goal": "objetivo, objetivos, meta, metas, hito, hitos",
        "progress": "progreso, progresos, avance, avances, porcentaje",
        "module": "módulo, módulos, unidad, unidades, lección, lecciones",
        "document": """
            documento, documentos, pdf, archivo, archivos, fichero, ficheros
        """,
        "it": "recordatorio, recordatorios, alarma",
        "list": "tu lista, su lista, la lista, tu plan, su plan",
        "space": "espacio, tu espacio, su espacio, este espacio, el espacio",
        "other": """
            ajustes, configuración, perfil, cuenta, preferencias, calendario, correo, email, mensaje, invitación,
            entrenador, entrenadora, profesor, profesora, tutor, tutora, equipo, suscripción, contraseña, agenda,
            cita, evento, notificación, notificaciones
        """,
    },
    [
        "dos, ambas, ambos, las dos, los dos",
        "tres",
        "cuatro",
        "cinco",
        "seis",
        "siete",
        "ocho",
        "nueve",
        "diez",
    ],
    first_person={
        "created": """
            creé, añadí, agregué, guardé, programé, registré, apunté, anoté, subí, incluí, abrí, planifiqué, agendé,
            ingresé, introduje, generé, establecí, configuré, fijé, inscribí, sumé, metí, almacené
        """,
        "changed": """
            actualicé, cambié, moví, renombré, ajusté, edité, modifiqué, bajé, aumenté, reduje, aplacé, pospuse,
            marqué, asigné, vinculé, corregí, reabrí, reprogramé, adelanté, retrasé, amplié, puse, reemplacé, pasé,
            dejé, elevé, adapté, trasladé
        """,
        "completed": "completé, cerré, terminé, finalicé, taché, concluí",
        "deleted": "eliminé, borré, quité, suprimí, vacié, cancelé, descarté, archivé, retiré, anulé",
        "sent": """
            envié, avisé, notifiqué, informé, compartí, invité, reenvié, mandé, contacté, publiqué
        """,
        "done": "hice, encargué, ocupé",
    },
    third_person={
        "created": """
            creó, añadió, agregó, guardó, programó, registró, apuntó, anotó, subió, incluyó, crearon, añadieron,
            agregaron, guardaron, registraron, programaron
        """,
        "changed": """
            actualizó, cambió, movió, modificó, ajustó, marcó, asignó, aplazó, actualizaron, cambiaron, movieron,
            modificaron, marcaron, aplazaron, reprogramó, renombró
        """,
        "completed": "completó, cerró, terminó, finalizó, completaron, cerraron",
        "deleted": "eliminó, borró, quitó, archivó, canceló, eliminaron, borraron, quitaron",
        "sent": "envió, notificó, avisó, compartió, enviaron",
    },
    infinitives={
        "created": """
            crear, añadir, agregar, guardar, programar, registrar, apuntar, anotar, subir, añadirla, añadirlo,
            crearla, crearlo, incluir, agregarla, agregarlo, agendar
        """,
        "changed": """
            actualizar, cambiar, mover, renombrar, ajustar, modificar, aplazar, marcar, asignar, poner, reabrir,
            reprogramar, actualizarla, actualizarlo, cambiarla, cambiarlo, marcarla, marcarlo, moverla, moverlo
        """,
        "completed": "completar, cerrar, terminar, finalizar, tachar, completarla, completarlo",
        "deleted": """
            eliminar, borrar, quitar, archivar, cancelar, eliminarla, eliminarlo, borrarla, borrarlo
        """,
        "sent": "enviar, avisar, notificar, compartir, mandar",
        "done": "hacerlo",
    },
)

SPANISH: Final = Language(
    "es",
    _WORDS,
    Patterns(
        active=re.compile(r"H[Anj]{0,4}(?P<v>[VDK])|(?P<w>L)|G[Aj]{0,2}(?P<x>R)"),
        passive=re.compile(
            r"(?P<o>[NFT])[^IrUXMSHVLEZ]{0,30}(?:B[HAnj]{0,4}(?P<v>V)|s[Anj]{0,3}(?P<q>Q))"
            r"|(?:B[Anj]{0,4}(?P<w>V)|s[Anj]{0,3}(?P<x>Q))[Anj]{0,3}[d#Aj]{0,5}(?P<i>[NF])"
            r"|B[HAnj]{0,4}(?P<k>V)p[dA]{0,3}(?P<l>N)"
        ),
        resting=re.compile(r"(?P<o>[NFT])[^IrUXMSHVLBEZ]{0,30}[EB][Anj]{0,4}(?P<v>[VKD])"),
        placed=re.compile(
            r"(?P<o>[NT])[^IrUXMSVBEyZ]{0,30}(?:E[Anj]{0,4}p[dA]{0,4}[N#]|h[dK.A]{0,4}F)"
            r"|(?P<f>F)[^IrUXMSVBEy]{0,30}En"
        ),
        elliptic=re.compile(
            r"^[Anj&]{0,4}(?:[d#]{0,5}(?P<o>[NF])[T#]?[d]?[Anj]{0,3}(?P<v>V)(?=(?:[AnKcbT#%]|p[d#A.NFKT%]{0,5}){0,5}$)"
            r"|(?P<w>V)(?=[d#]{1,4}N|N[T#]|N$|[Aj]{0,2}T|[Aj]{0,2}$|cK))"
        ),
    ),
    orders=read_words("""
        añade añádeme agrega agrégame crea créame pon ponme márcame marca actualiza cambia mueve borra elimina quita
        completa renombra programa recuérdame guarda sube envía manda cierra tacha apunta apúntame anota aplaza reabre
        añadir agregar crear poner marcar actualizar cambiar mover borrar eliminar quitar completar renombrar programar
        guardar subir enviar cerrar tachar apuntar anotar aplazar añada agregue cree ponga marque actualice cambie mueva
        borre elimine guarde programe terminé completé acabé
    """),
    agreeing=read_words("sí si vale claro ok okay adelante hazlo hágalo dale perfecto bueno"),
    asking=read_words("""
        has ha han cómo como qué que cuál cuáles cuándo cuando dónde quién por está están hay fue
    """),
)
