"""The hub's error table (hub-rest-api, "Errors"): what each code is and how HTTP carries it."""

from collections.abc import Mapping

CODES: Mapping[int, tuple[int, str]] = {
    1001: (401, "No s'ha informat el token"),
    1002: (401, "No s'ha informat l'usuari (iss) al token"),
    1003: (401, "Usuari no vàlid"),
    1004: (401, "No s'ha informat la data d'expiració (exp) al token"),
    1005: (401, "No s'ha informat la data d'emissió (iat) al token"),
    1006: (401, "No s'ha informat la data d'inici de validesa (nbf) al token"),
    1007: (401, "No s'ha informat l'audiència (aud) al token"),
    1008: (401, "El token ha expirat"),
    1009: (401, "El token encara no es pot utilitzar"),
    1010: (401, "La vigència del token supera el límit permès"),
    1011: (401, "Audiència no vàlida"),
    1012: (401, "La clau secreta no és vàlida"),
    2001: (404, "No s'ha trobat la factura"),
    2002: (404, "No s'ha trobat l'adjunt"),
    2003: (404, "No s'ha trobat l'històric d'estats de la factura"),
    3001: (400, "L'estat no és vàlid"),
    3002: (400, "L'estat ANNOTATED requereix el número de registre RCF"),
    3003: (400, "L'estat REJECTED requereix el motiu de rebuig"),
    3004: (400, "L'estat PAID requereix la data de pagament"),
    3005: (400, "La factura no té número de registre"),
    3006: (400, "El format de la data de pagament no és correcte"),
    3007: (400, "La factura no es pot actualitzar"),
    3008: (400, "El motiu de rebuig només es pot informar amb l'estat REJECTED"),
    9001: (500, "Error de connexió amb la base de dades"),
    9002: (500, "No s'ha pogut generar el rebut"),
    9999: (500, "No es poden recuperar les dades per un error inesperat"),
}


class HubRefusalError(Exception):
    """A no of the pretend hub: one of `CODES`."""

    def __init__(self, code: int) -> None:
        super().__init__(f"{code} {CODES[code][1]}")
        self.code = code
