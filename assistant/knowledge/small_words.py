"""The commonest words of languages: by them a text is told from others, and in a query they say nothing."""

from typing import Final

SMALL_WORDS: Final = {
    "en": """
        the of and to in is was for that with as are by on it this be from which what how who when where why did
        does do has have had were at or an not can you your his her its their they we if there will would should
        could about than then these those been more most many much into my me he she but so no any all some only
        also please tell explain give
    """,
    "de": """
        der die das und ist in den von zu mit nicht ein eine einer eines einem einen auf für im dem des sich als
        auch es an werden aus er hat dass sie nach wird bei um am sind noch wie über so zum war haben nur oder
        aber vor zur bis mehr durch wer was wann wo warum welche welcher welches welchem welchen kann ich du wir
        ihr man wurde wurden viele wieviele
    """,
    "fr": """
        la le les de des du un une et est en que qui dans pour sur pas au aux avec ce cette ces il elle ils
        elles se sont par plus ou mais comme été être fait quel quelle quels quelles comment pourquoi quand où
        nous vous je ne son sa ses leur leurs était c'est qu'est combien
    """,
    "es": """
        el la los las de del un una en que qué quién quiénes cuál cuáles cómo cuándo dónde cuántos cuántas
        cuánto por para con no se su sus al lo como más pero fue era son está están este esta estos estas ha han
        muy entre sobre también cuando donde porque hay ser le les
    """,
    "pt": """
        os as de do da dos das um uma em no na nos nas que quem qual quais como quando onde por para com não se
        seu sua seus suas ao à mais mas foi são está este esta isso ele ela eles pelo pela muito também quantos
    """,
    "it": """
        il lo la gli le di del della dei delle dello un una è in nel nella che chi quale quali come quando dove
        perché per con non si su suo sua sono stato più ma anche da dal dalla questo questa al alla ha hanno
        quanti quanto
    """,
    "nl": """
        de het een en van in is dat die op te zijn met voor niet aan er om als ook bij door naar uit maar wordt
        werd over wat wie waar wanneer hoe welke deze dit kan heeft hebben was waren nog tot hun zij hij ik je
    """,
    "sv": """
        och att det som en på är av för med den till inte har de om ett var jag han från vid så men kan ska när
        vad hur vilken vilka vilket eller hade sig efter under blev också
    """,
    "da": """
        og at det som en på er af for med den til ikke har de om et var jeg han fra ved så men kan skal når hvad
        hvordan hvilken hvilke eller havde sig efter under blev også der
    """,
    "no": """
        og at det som en på er av for med den til ikke har de om et var jeg han fra ved så men kan skal når hva
        hvordan hvilken hvilke eller hadde seg etter under ble også
    """,
    "is": """
        og að það sem í á er fyrir með ekki hann hún þeir þau um var við til af en hvað hvernig hvenær
    """,
    "pl": """
        na do się nie że jest to od jak co po przez dla czy są był była było jego jej ich tym tego który która
        które kiedy gdzie dlaczego ile oraz może ma za
    """,
    "cs": """
        na se je že to jak co po pro od jsou byl byla bylo jeho její který která které kdy kde proč kolik nebo
        také ale při podle
    """,
    "sk": """
        na sa je že to ako čo po pre od sú bol bola bolo jeho jej ktorý ktorá ktoré kedy kde prečo koľko alebo
        tiež ale pri podľa
    """,
    "sl": """
        na se je da to kot kaj po za od so bil bila bilo njegov ki kdaj kje zakaj koliko ali tudi pri iz
    """,
    "hr": """
        na se je da to kao što po za od su bio bila bilo njegov koji koja koje kada gdje zašto koliko ili
        također ali iz
    """,
    "ro": """
        și si de la în un este sunt care ce cine când unde cum din pentru nu se al ale mai fost era sau prin
        după lui au că câte câți cât
    """,
    "ca": """
        el la els les de del un una és en que què qui quin quina com quan on per amb no es seu seva més però va
        són està aquest aquesta també
    """,
    "tr": """
        ve bir bu da de için ile ne nasıl neden hangi kim nerede zaman olarak olan daha çok gibi en var değil mi
        mı sonra kadar kaç olduğu
    """,
    "vi": """
        và của là các có được trong một cho người với không những này đã khi từ đến như để về ở nào gì ai bao
        nhiêu tại sao thế vào ra sẽ
    """,
    "id": """
        yang dan di ke dari untuk dengan pada ini itu adalah dalam tidak akan oleh sebagai apa siapa kapan
        bagaimana mengapa berapa atau juga lebih telah
    """,
    "tl": """
        ang ng sa mga na ay at si ni kay para hindi ito siya ano sino kailan saan paano bakit
    """,
    "sw": """
        ya na wa kwa ni katika la za cha kuwa hii huo nani nini lini wapi jinsi gani
    """,
    "fi": """
        ja on ei se että oli hän joka mutta ovat kun mitä kuka missä milloin miksi miten myös tai sen ole kuin
    """,
    "et": """
        ja on ei see et oli ta kes aga mis kui mida kus millal miks kuidas ka või selle ning
    """,
    "hu": """
        az és hogy nem is egy van volt ez azt mint mi ki hol mikor miért hogyan meg de már csak vagy melyik
    """,
    "lt": """
        ir yra kad su bet kaip kas kur kada iš į jis ji ne buvo tai apie arba
    """,
    "lv": """
        un ir ka ar bet kā kas kur kad no uz viņš viņa nav bija tas par vai
    """,
    "ga": """
        an na agus ar is le do tá ní sé sí go bhí cad cé conas cathain
    """,
    "af": """
        die en van in is dat het nie op te met vir aan om ook wat wie waar wanneer hoe hierdie sy hy was
    """,
    "sq": """
        dhe të në një për me nga është që si ku kur kush çfarë pse nuk
    """,
}
"""ISO 639-1 code → words, none of them a single plain letter: those are in every language's lists and formulas."""

ENGLISH_STOP_WORDS: Final = """
    a about above after again all also am an and any are as at be because been before being below between both
    but by can could did do does doing down during each few for from further had has have having he her here
    hers herself him himself his how i if in into is it its itself just me more most my myself no nor not now of
    off on once only or other our ours out over own same she should so some such than that the their theirs them
    themselves then there these they this those through to too under until up very was we were what when where
    which while who whom why will with would you your yours
"""
